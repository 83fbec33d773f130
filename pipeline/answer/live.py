"""How far a race is, said after each round: a table that is drawn again on a terminal, and lines elsewhere."""

import math
import shutil
from collections.abc import Sequence
from typing import TextIO

from pipeline.answer.contest import ACCURACY, Contest
from pipeline.answer.race import Race
from pipeline.lab import formats
from pipeline.lab.config.cell import Cell

HEADINGS = ("scarce", "leader", "rivals left", "how sure", "what is left")


def name_of(measure: str, metric: str) -> str:
    """What a measure is called in a table."""
    final = "final accuracy" if metric == ACCURACY else "final loss"
    return {"loss": final, "examples": "examples, epochs"}.get(measure, measure)


class Live:
    """Draws a race's table over the one before.

    Parameters
    ----------
    stream : text file
        Where to; where it is no terminal each round is one line.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.drawn = stream, 0

    def show(self, race: Race, cells: Sequence[Cell], seconds: float, per_run: float) -> None:
        """Say how far the race is.

        Parameters
        ----------
        race : Race
            After a round.
        cells : sequence of Cell
            What it races.
        seconds : float
            Since the command started.
        per_run : float
            Seconds that a further run takes, about.
        """
        decided = sum(one.decided for one in race.contests)
        line = (
            f"{seconds:5.0f} s: {race.seeds} seeds, {race.runs:,} runs, {len(race.live())} cells left, "
            f"{decided} of {len(race.contests)} questions decided"
        )
        if not self.stream.isatty():
            print(line, file=self.stream, flush=True)
            return
        lines = [line, *table(race, cells, per_run)]
        width = shutil.get_terminal_size().columns - 1  # a line that wraps would be two to go back over
        up = f"\x1b[{self.drawn}F\x1b[J" if self.drawn else ""
        print(up + "\n".join(one[:width] for one in lines), file=self.stream, flush=True)
        self.drawn = len(lines)


def table(race: Race, cells: Sequence[Cell], per_run: float) -> list[str]:
    """The questions over all cells, then those optimizers' that are open, as aligned lines."""
    shown = [one for one in race.contests if not one.field or not one.decided]
    rows = [_row(one, cells, per_run) for one in sorted(shown, key=lambda one: (bool(one.field), one.decided))]
    most = max(4, shutil.get_terminal_size().lines - 5)
    return formats.aligned([HEADINGS, *rows[:most]])


def _row(contest: Contest, cells: Sequence[Cell], per_run: float) -> tuple[str, ...]:
    leader = cells[contest.cells[contest.leader]].config
    rivals, left = len(contest.rest(claimed=contest.decided)), contest.seeds_left()
    name = name_of(contest.measure.name, ACCURACY if contest.measure.absolute else "loss")
    more = "cannot be told yet"
    if contest.decided:
        more = "nothing: equivalent" if rivals else "nothing: separated"
    elif math.isnan(left):
        more = "the time of a step"
    elif math.isfinite(left):
        more = f"about {left:,.0f} seeds, {left * (1 + rivals) * per_run:,.0f} s"
    return (
        f"{name}, {contest.field}" if contest.field else name,
        f"{contest.field or leader.optimizer.name} b {leader.batch_size} lr {leader.lr:g}",
        f"{rivals} of {len(contest.cells) - 1}",
        f"{min(1.0, max(0.0, contest.evidence / contest.needed)):.0%} of the evidence",
        more,
    )
