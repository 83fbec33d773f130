"""Figures: pure functions from a study's tables, or a measurement's, to matplotlib figures.

A figure is one file in this folder, or in ``measured`` for measurements. It registers itself for a kind of study
(:mod:`~pipeline.figures.registry`), with a title and a function that writes its caption; ``python -m pipeline.figures``
draws it for every study of that kind. The look is in :mod:`~pipeline.figures.style`.
"""
