"""Train cells: the only way in is :func:`pipeline.train.cells.train_cells`.

The Hydra application (``python -m pipeline.train``), the workflow's jobs, the
notebooks and the tests all call it. The *solo* engine trains one run at a time
under an honest clock.
"""

import os

# Deterministic matrix products on GPUs need this; cuBLAS reads it when it starts, so it is set before torch is
# imported. See NVIDIA's cuBLAS manual, "Results reproducibility".
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
