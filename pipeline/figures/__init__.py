"""Figures: pure functions from a study's tables to matplotlib figures.

A figure is one file in this folder. It registers itself with a title, the study it reads and a
function that writes its caption (:mod:`~pipeline.figures.registry`); ``python -m pipeline.figures``
finds it there. The look is in :mod:`~pipeline.figures.style`, what a cell is called and how its
seeds are summarised in :mod:`~pipeline.figures.cells`.
"""
