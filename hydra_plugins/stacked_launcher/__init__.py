"""Hydra finds this launcher by the ``hydra_plugins`` namespace: ``hydra/launcher=stacked``."""
