"""Train cells: the only way in is :func:`pipeline.train.cells.train_cells`.

The Hydra application (``python -m pipeline.train``), the workflow's jobs, the
notebooks and the tests all call it. The *solo* engine trains one run at a time
under an honest clock.
"""
