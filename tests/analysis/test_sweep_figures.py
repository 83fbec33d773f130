"""Figures and report of a sweep, whatever happened to its runs."""

import warnings

import numpy as np
import pytest
from sweeps import bowl, costs_of, sweep_tables

from pipeline.figures.registry import registered
from pipeline.figures.style import save
from pipeline.lab.theory import Problem
from pipeline.report.page import render
from pipeline.report.sweep_section import is_sweep, sweep_section, sweep_summary

ENTRIES = [entry for entry in registered() if entry.study == "sweep"]
generator = np.random.default_rng(0)
PROBLEM = Problem.from_data(generator.normal(size=(1500, 3)), generator.normal(size=1500))
COSTS = costs_of({("sgd", 1): 1e-4, ("sgd", 100): 2e-4})


def mixed(o, b, lr, seed):
    """Every status somewhere."""
    if lr >= 1 and b == 1:
        return "diverged"
    if lr >= 1 and seed == 0:
        return "diverged"
    return "error" if (b, lr, seed) == (10, 0.001, 1) else "ok"


CASES = {
    "mixed": sweep_tables(bowl(), status=mixed, problem=PROBLEM, costs=COSTS),
    "all diverged": sweep_tables(bowl(), status=lambda *_: "diverged", problem=PROBLEM),
    "all failed": sweep_tables(bowl(sizes=(10,)), status=lambda *_: "error"),
    "single seed": sweep_tables(bowl(), seeds=1),
    "single optimizer": sweep_tables(bowl(("lion",)), minimum=None),
    "single cell": sweep_tables(bowl(("sgd",), (10,), (0.1,))),
    "one batch size": sweep_tables(bowl(sizes=(1500,)), problem=PROBLEM),
    "on the border": sweep_tables(bowl(best=lambda o, b: 10.0)),
    "twin": sweep_tables(bowl(), data="airfoil_twin"),
}


def texts(figure):
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
@pytest.mark.parametrize("case", CASES)
def test_every_figure_is_drawn_whatever_happened(entry, case):
    tables = CASES[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written, caption = texts(entry.draw(tables)), entry.caption(tables)
    assert caption and "nan" not in caption and "inf " not in caption
    for name in tables.sweep.grid.optimizers:
        assert name in written
    if case == "twin":
        assert "offline twin" in written and caption.startswith("Offline twin")


def test_the_heatmap_marks_every_status_and_the_borders():
    (heatmap,) = [entry for entry in ENTRIES if entry.name == "sweep_heatmap"]
    written = texts(heatmap.draw(CASES["mixed"]))
    for mark in ("half or more diverged", "some diverged", "error in some run", "best lr of the batch size", "2/λ"):
        assert mark in written
    assert "best lr, highest of its range" in texts(heatmap.draw(CASES["on the border"]))
    assert "best lr, lowest of its range" in texts(heatmap.draw(CASES["all diverged"]))


def test_drawing_is_repeatable_and_the_svg_small(tmp_path):
    for entry in ENTRIES[:3]:
        svg, _ = save(entry.draw(CASES["mixed"]), tmp_path / "a" / entry.name)
        again, _ = save(entry.draw(CASES["mixed"]), tmp_path / "b" / entry.name)
        assert svg.read_bytes() == again.read_bytes()
        assert svg.stat().st_size < 400_000


@pytest.mark.parametrize("case", CASES)
def test_the_section_is_written_whatever_happened(case):
    tables = CASES[case]
    text = " ".join(sweep_summary(tables))
    section = sweep_section(tables)
    assert "nan" not in text
    assert len(section.leaders) == len(tables.sweep.grid.optimizers)
    assert len(section.batches) == len(tables.sweep.best_by_batch_size)
    total = sum(int(line[status]) for line in section.statuses for status in ("ok", "diverged", "error"))
    assert total == len(tables.runs), "no run vanishes"
    page = render({"sweep": tables}, [])
    if is_sweep(tables):
        assert "The best cell of each optimizer" in page and "<details>" in page
    else:
        assert case == "single cell"


def test_the_summary_says_what_the_seeds_can_tell():
    noisy = bowl(("sgd", "adam"), noise=0.0)

    def losses(o, b, lr, seed):
        return noisy(o, b, lr, seed) - (0.004 if o == "adam" and seed % 2 else 0)

    losses.grid = noisy.grid
    text = " ".join(sweep_summary(sweep_tables(losses, seeds=10)))
    assert "10 seeds are too few to rank" in text
    clear = " ".join(sweep_summary(sweep_tables(bowl(), seeds=10)))
    assert "enough to rank sgd's best cell above" in clear
    assert "run snakemake extend" in " ".join(sweep_summary(CASES["on the border"]))
    assert "nothing to rank" in " ".join(sweep_summary(CASES["all diverged"]))


def test_sibling_calls_are_compared_in_standard_errors():
    from pipeline.lab.published import published_for

    config = {"data": {"name": "airfoil", "whiten": "standardize", "rows": 1500}, "model": {"name": "linear"}}
    config |= {"optimizer": {"name": "momentum", "hyperparams": {"momentum": 0.5}}, "batch_size": 10, "lr": 0.02}
    config |= {"epochs": 2, "schedule": {"name": "constant"}, "sampling": {"name": "without_replacement"}}
    found = published_for(config)
    assert found is not None and found.expected is not None
    assert found.expected.z(np.full(200, 0.2443 + 2 * 0.0019 / np.sqrt(200))) == pytest.approx(2)
    assert published_for(config | {"lr": 0.03}) is None
