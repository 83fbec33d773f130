"""The chapter's runs in other frameworks: MXNet, TensorFlow, PyTorch and JAX, side by side.

Each framework lives in an environment of its own, made from a pinned file in ``envs/``
(:mod:`~pipeline.contrib.frameworks.environment`), and is measured there by one script, ``run_NAME.py``. All
of them read the same problem (:mod:`~pipeline.contrib.frameworks.problem`): data, initial weights and example
orders, so that their losses can be compared reading by reading.

The lab's own packages are not in those environments: the scripts, :mod:`~pipeline.contrib.frameworks.harness`,
:mod:`~pipeline.contrib.frameworks.problem` and this file import numpy and the standard library only.
"""

#: The chapter's tabs, and JAX. Each has ``envs/NAME.txt`` and ``run_NAME.py``.
FRAMEWORKS = ("mxnet", "tensorflow", "pytorch", "jax")
