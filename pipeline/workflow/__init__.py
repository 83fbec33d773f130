"""Helpers for the Snakefile: studies, jobs, paths."""
