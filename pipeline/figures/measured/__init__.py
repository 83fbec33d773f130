"""Figures of measurements: pure functions from a measurement's table, one file each.

As those of the studies, a figure registers itself with a title and a function that writes its
caption (:mod:`~pipeline.figures.measured.registry`); ``python -m pipeline.figures --measured FILE``
draws it.
"""
