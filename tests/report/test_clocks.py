"""The same cells in another order on another clock: only what the seeds can tell apart counts."""

import json
import math

import pytest
from tables_for_tests import cell, study

from pipeline.analysis.seconds import StepCosts, StepKind
from pipeline.report.answer import answer
from pipeline.report.clocks import CLOCKS, flips, ranked, standings, with_seconds
from pipeline.report.curves import MAX_CELLS, MAX_READINGS, drawn, records
from pipeline.report.language import ENGLISH, language


def found(*cells, target=0.25, costs=None):
    one = study(*cells, costs=costs)
    drawn_cells = list(one.cells.values())
    return standings(drawn_cells, with_seconds(one, drawn_cells), target)


def full_batch(**changes):
    return cell("gd", **({"batch_size": 1500, "lr": 1.0, "epochs": 10, "final": 0.24} | changes))


SINGLE = cell("sgd", batch_size=1, lr=0.005, final=0.24)


def clocks_before(one, other):
    return {clock for clock in CLOCKS if one.costs[clock].before(other.costs[clock])}


def test_full_batches_win_on_steps_and_seconds_and_lose_on_epochs_and_examples():
    ((one, other),) = flips(found(full_batch(), SINGLE))
    assert (one.cell.name, other.cell.name) == ("gd", "sgd")
    assert clocks_before(one, other) == {"steps", "seconds"} and clocks_before(other, one) == {"epochs", "examples"}


def test_cells_that_agree_on_every_clock_do_not_flip():
    assert flips(found(cell("fast", final=0.22), cell("slow", lr=0.01, final=0.2493))) == []


def test_a_pair_that_the_seeds_cannot_tell_apart_does_not_flip():
    # One seed in four arrives: the interval of the median is open, and meets every other.
    late = full_batch(error=(1, 2, 3))
    assert flips(found(late, SINGLE)) == []


def test_the_ranking_names_those_that_arrive_the_cheapest_first():
    all_cells = found(full_batch(), SINGLE, cell("never", lr=0.01, final=0.3))
    assert [s.cell.name for s in ranked(all_cells, "steps")] == ["gd", "sgd"]
    assert [s.cell.name for s in ranked(all_cells, "examples")] == ["sgd", "gd"]
    assert all(math.isinf(all_cells[2].costs[clock].median) for clock in CLOCKS)


def test_stacked_runs_get_seconds_from_the_cost_of_a_step_or_none_at_all():
    stacked = cell("stacked", engine="stacked", final=0.24)
    (unknown,) = found(stacked)
    assert not unknown.costs["seconds"].known and unknown.costs["steps"].known
    (derived,) = found(stacked, costs=StepCosts({StepKind.of(json.loads(stacked[0][0]["config"])): {10: 2.0}}))
    assert derived.costs["seconds"].median == pytest.approx(2 * derived.costs["steps"].median)


def test_the_answer_says_who_is_first_on_each_clock_and_how_many_pairs_flip():
    tables = study(full_batch(), SINGLE)
    said = answer(drawn(tables), ENGLISH)
    assert said.first["steps"][1] == "“gd”" and said.first["examples"][1] == "“sgd”"
    assert said.turned.startswith("1 of 1 pairs of cells changes its order")
    assert said.ranking["steps"] == "On the clock of steps, a loss of 0.25 is reached first by “gd”: 1."


def test_more_cells_than_can_be_drawn_are_chosen_evenly_and_counted():
    tables = study(*[cell(f"cell {i}", lr=0.001 * (i + 1), seeds=1) for i in range(MAX_CELLS + 30)])
    chosen = drawn(tables)
    assert len(chosen.cells) == MAX_CELLS and chosen.total == MAX_CELLS + 30
    labels = [one.name for one in chosen.cells]
    assert labels[0] == "cell 0" and labels[-1] == f"cell {MAX_CELLS + 29}"


def test_long_curves_are_thinned_and_keep_both_ends():
    (record,) = records(drawn(study(cell("long", epochs=100, seeds=2))))
    assert len(record["loss"]) <= MAX_READINGS
    assert record["steps"][0] == 0 and record["examples"][-1] == 150_000


def test_a_curve_ends_where_half_of_the_runs_diverged():
    (record,) = records(drawn(study(cell("d", lr=5.0, diverged=(0, 1, 2)))))
    assert len(record["loss"]) == 3 and record["trouble"] == "3 of 4 diverged"
    assert None not in record["loss"]


def test_runs_that_did_not_end_well_are_counted_in_the_reports_language():
    chosen = drawn(study(cell("d", lr=5.0, diverged=(0, 1, 2)), cell("well")))
    assert [record["trouble"] for record in records(chosen, language("pt"))] == ["3 de 4 divergiram", ""]


def test_the_band_of_a_curve_is_the_quartiles_of_its_seeds():
    tables = study(cell("one", seeds=5))
    (record,) = records(drawn(tables))
    losses = tables.curves[tables.curves["step"] == record["steps"][4]]["loss"]
    assert [record[name][4] for name in ("low", "loss", "high")] == pytest.approx(losses.quantile([0.25, 0.5, 0.75]))
    assert record["low"][4] < record["loss"][4] < record["high"][4]
