"""The configuration: what one cell is, how a study becomes cells, and who may set what.

Hydra owns every value that changes a number. This package holds the schemas
(:mod:`~pipeline.lab.config.schema`), composes a cell from the configuration files
(:mod:`~pipeline.lab.config.compose`), defines what identifies a cell
(:mod:`~pipeline.lab.config.cell`) and expands a study to its cells
(:mod:`~pipeline.lab.config.study`). Nothing here imports torch: the workflow reads
it at every start.
"""

from pipeline.lab import checks
from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import compose_cell, compose_data
from pipeline.lab.config.study import Study, load_study

__all__ = ["Cell", "Study", "checks", "compose_cell", "compose_data", "load_study"]
