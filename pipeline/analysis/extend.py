"""``python -m pipeline.analysis.extend RUNS... --out FILE.json``: widen ranges whose best rate is on the border."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.lab.stage import Options, argument, command

if TYPE_CHECKING:
    from pipeline.lab.results import StudyResults

#: How far a range is widened: one decade.
FACTOR = 10.0


def extensions(study: "StudyResults", factor: float = FACTOR) -> list[dict[str, Any]]:
    """Find the learning rates to add.

    Parameters
    ----------
    study : StudyResults
        The study, with the runs of earlier extensions.
    factor : float
        How far a range is widened on the flagged side.

    Returns
    -------
    list of dict
        ``optimizer``, ``batch_size``, ``side``, ``best_lr`` (None where every rate diverged), ``lrs``: as many
        rates as fill the decade with the spacing that the range has, at least one, to four significant digits; and
        ``like``, the id of a cell that is alike in everything but the rate.
    """
    from pipeline.analysis.best import edges
    from pipeline.analysis.grid import grid_of

    grid, points = grid_of(study), []
    for series, batch_size, side, best in edges(grid).to_numpy():
        own = grid.cells.iloc[grid.rows(series, batch_size)]
        lrs = sorted(map(float, own["lr"]))
        ratio = (lrs[-1] / lrs[0]) ** (1 / (len(lrs) - 1))
        start, step = (lrs[0], 1 / ratio) if side == "low" else (lrs[-1], ratio)
        count = max(round(math.log(factor) / math.log(ratio)), 1)
        points.append(
            {
                "optimizer": str(own["rule"].iloc[0]),
                "batch_size": batch_size,
                "side": side,
                "best_lr": None if math.isnan(best) else best,
                "lrs": sorted(float(f"{start * step**i:.4g}") for i in range(1, count + 1)),
                "like": str(own["cell_id"].iloc[0]),
            }
        )
    return points


@command(
    "pipeline.analysis.extend",
    "Widen, by a decade, the ranges whose best learning rate lies on the border.",
    argument("runs", type=Path, nargs="+", metavar="RUNS.parquet", help="the runs of one study"),
    argument("--out", type=Path, required=True, metavar="FILE.json", help="where the new rates go"),
)
def main(options: Options) -> None:
    """Write the learning rates to add, and print them."""
    import pandas as pd

    from pipeline.lab.files import write_whole
    from pipeline.lab.results import StudyResults
    from pipeline.lab.tables import CURVES, RUNS, read_table

    runs = pd.concat([read_table(path, RUNS) for path in options.runs], ignore_index=True)
    points = extensions(StudyResults(runs, pd.DataFrame(columns=CURVES.names)))
    write_whole(options.out, json.dumps({"points": points}, indent=2) + "\n")
    if not points:
        print("No best learning rate lies on the border of its range: nothing to add.")
    for point in points:
        rates = ", ".join(f"{lr:g}" for lr in point["lrs"])
        print(f"{point['optimizer']}, b = {point['batch_size']}: best on the {point['side']} border; adding {rates}")


if __name__ == "__main__":
    main()
