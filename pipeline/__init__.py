"""A lab that asks which optimizer, batch size and learning rate reach a given loss, and at what cost.

Data flows one way, a folder a stage::

    fetch -> whiten -> train -> collect -> {track, figures} -> report

Every stage is also a command: ``python -m pipeline.STAGE --help``.
"""
