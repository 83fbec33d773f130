"""Build once what cells are made of, so that a wrong name or argument is refused before anything is trained."""

from collections.abc import Iterable

from pipeline.lab.config.cell import Cell, canonical_json


def check_buildable(cells: Iterable[Cell]) -> None:
    """Refuse cells whose model, schedule or optimizer of torch's cannot be made, or whose update rule cannot train.

    Parameters
    ----------
    cells : iterable of Cell
        What alike cells share is made once.

    Raises
    ------
    UserError
        Naming key, value and what is allowed.
    """
    # Here: what is refused before needs no numpy, and no torch.
    from pipeline.parts.schedules import learning_rate_factors
    from pipeline.train.probe import check_rule

    known = set()
    for cell in cells:
        config = cell.config
        schedule = canonical_json([cell.identity["schedule"], cell.steps_per_epoch, cell.steps])
        if schedule not in known:
            known.add(schedule)
            learning_rate_factors(config.schedule, cell.steps_per_epoch, cell.steps)
        check_rule(config)
