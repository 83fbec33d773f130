"""Timings: the lab against plain PyTorch."""
