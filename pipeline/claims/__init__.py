r"""The claims ledger: every claim of the sources held against the tables, by a rule fixed beforehand.

    conf/claims.yaml  ->  ledger  \
    results/*.parquet -> evidence  -> {runs, curves, measured, sweeps} -> effect -> decide -> results/claims.json

A statistic is a pure function from tables to an :class:`~pipeline.claims.effect.Effect`: a number, its 95 %
interval and the size of the sample. A rule is a threshold in ``conf/claims.yaml``. ``python -m pipeline.claims``
decides all of them.
"""
