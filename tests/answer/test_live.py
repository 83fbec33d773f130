"""What is said while a race goes on."""

import io

import numpy as np

from pipeline.answer.contest import Measure
from pipeline.answer.live import Live, table
from pipeline.answer.race import Race
from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import compose_cell

RATES = (0.01, 0.02, 0.04, 0.08)


def raced(runs, levels=(9.0, 7.0, 1.0, 1.0)):
    def train(cells, seeds, whole):
        noise = np.array([np.random.default_rng(seed).normal(size=4) for seed in seeds]).T
        return {"loss": np.array(levels)[cells][:, None] + 0.3 * noise[cells]}

    race = Race(train, ["sgd", "sgd", "adam", "adam"], [Measure("loss", 0.001)])
    for _ in race.rounds(lambda: runs - race.runs):
        pass
    cells = [Cell(compose_cell([f"optimizer={name}", f"lr={lr}"])) for name, lr in zip(race.fields, RATES, strict=True)]
    return race, cells


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_table_says_who_leads_how_many_rivals_are_left_how_sure_it_is_and_what_is_left():
    race, cells = raced(60)
    overall, adam = table(race, cells, 0.1)[1:]  # sgd's question is decided, and needs no line
    assert overall.startswith("final loss  ")
    assert "adam b" in overall
    assert " 1 of 3 " in overall
    assert "% of the evidence" in overall
    assert adam.startswith("final loss, adam")
    assert not table(race, cells, 0.1)[1].endswith("nothing: separated")


def test_a_decided_question_has_nothing_left():
    race, cells = raced(400, levels=(9.0, 7.0, 1.0, 5.0))
    (overall,) = table(race, cells, 0.1)[1:]
    assert overall.endswith("100% of the evidence  nothing: separated")


def test_a_terminal_s_table_is_drawn_over_the_one_before():
    race, cells = raced(60)
    stream = Terminal()
    live = Live(stream)
    for seconds in (1.0, 2.0):
        live.show(race, cells, seconds, 0.1)
    first, second = stream.getvalue().split("\x1b[J")
    assert first.endswith(f"\x1b[{len(table(race, cells, 0.1)) + 1}F")
    assert second.count("\n") == first.count("\n")


def test_elsewhere_a_round_is_one_line():
    race, cells = raced(60)
    stream = io.StringIO()
    Live(stream).show(race, cells, 2.0, 0.1)
    assert stream.getvalue().startswith("    2 s: ")
    assert stream.getvalue().count("\n") == 1
