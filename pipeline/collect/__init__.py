"""Collect the tables of a study's jobs into the study's two tables."""
