"""Figures of measurements: the function that draws one has the measurement's name."""
