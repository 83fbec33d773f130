"""MLflow: one run per cell, written from the tables.

The tables are the truth and the MLflow store is a view of them: delete the store, log the studies
again, and it is back. Nothing here imports MLflow before it is needed, because that takes seconds.
"""
