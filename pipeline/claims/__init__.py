r"""Every claim of the sources, tested on the tables by a rule that was fixed beforehand.

    conf/claims.yaml  ->  ledger   \
    results/*.parquet -> evidence  -> statistics -> effect -> decide -> results/claims.json

A statistic is a function from tables to an :class:`~pipeline.claims.effect.Effect`: a number, its 95 % interval and
the size of the sample. A rule is a threshold in ``conf/claims.yaml``. ``python -m pipeline.claims`` decides all claims.
"""
