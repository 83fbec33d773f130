"""The configuration: what one cell is, how a study becomes cells, and who may say what.

Hydra owns every value that changes a number. This package holds the schemas
(:mod:`~pipeline.config.schema`), composes a cell from the files in ``conf/``
(:mod:`~pipeline.config.compose`), writes down what makes a cell itself
(:mod:`~pipeline.config.cell`) and expands a study to its cells
(:mod:`~pipeline.config.study`). Nothing here imports torch: the workflow reads
it at every start.
"""

from pipeline.config.cell import Cell
from pipeline.config.compose import compose_cell, compose_data
from pipeline.config.study import Study, load_study

__all__ = ["Cell", "Study", "compose_cell", "compose_data", "load_study"]
