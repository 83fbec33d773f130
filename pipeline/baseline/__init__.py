"""Numbers that stay: what a set of results came to in one small file, and what has changed since.

:mod:`~pipeline.baseline.collected` reads a folder of results, :mod:`~pipeline.baseline.summary` makes the baseline
of it, :mod:`~pipeline.baseline.compare` sets one baseline beside another, and :mod:`~pipeline.baseline.words` says
in words what it found. ``docs/baseline.md`` says what counts as a change.
"""
