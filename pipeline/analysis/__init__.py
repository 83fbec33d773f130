"""Reading a sweep: pure functions from a study's tables to answers.

    grid  ->  {best, edge, lr_scaling, tuning}
    grid + readings  ->  target  ->  {scaling, seconds}
    readings + theory  ->  {agreement, expected}

:mod:`~pipeline.analysis.bootstrap` and :mod:`~pipeline.analysis.compare` say how far a handful of seeds can
be trusted, :mod:`~pipeline.analysis.sweep` puts all of it together for figures and report, and
``python -m pipeline.analysis.extend`` widens the ranges whose best learning rate lies on the border.
A run that diverged, failed or missed the target is infinite in every one of them, and so in every median.
"""
