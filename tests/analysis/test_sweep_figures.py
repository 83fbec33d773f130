"""Figures and report of a sweep, whatever happened to its runs."""

import warnings

import numpy as np
import pytest
from sweeps import bowl, costs_of, sweep_tables

from pipeline.figures.registry import figures_of
from pipeline.figures.style import save
from pipeline.lab.theory import Problem
from pipeline.report.page import render
from pipeline.report.sweep_section import sweep_section, sweep_summary

pytestmark = pytest.mark.slow

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


@pytest.fixture(scope="module")
def drawn():
    """Every figure that fits each case, drawn without a warning: what is written in it, by case and figure."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for case, study in CASES.items():
            for entry in figures_of(study):
                figure, caption = entry.draw(study), entry.caption(study)
                texts = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
                title = entry.title(study)
                assert title and "nan" not in title and title in figure.get_suptitle().replace("\n", " ")
                found[case, entry.name] = "\n".join(texts), caption
    return found


def test_every_figure_is_drawn_whatever_happened(drawn):
    names = {case: [name for of, name in drawn if of == case] for case in CASES}
    by_batch = ["steps_by_batch", "best_lr_by_batch"]
    assert names["mixed"] == ["heatmap", "leading_cells", "cost_to_target", *by_batch, "tuning_cost"]
    assert set(names["mixed"]) - set(names["one batch size"]) == set(by_batch)
    for (case, _), (written, caption) in drawn.items():
        assert caption and "nan" not in caption and "inf " not in caption
        assert all(name in written for name in CASES[case].sweep.grid.optimizers)
        assert ("offline twin" in written) is caption.startswith("Offline twin") is (case == "twin")


def test_the_heatmap_marks_every_status_and_the_borders(drawn):
    written, _ = drawn["mixed", "heatmap"]
    for mark in ("half or more diverged", "some diverged", "error in some run", "best lr of the batch size", "2/λ"):
        assert mark in written
    assert "best lr, highest of its range" in drawn["on the border", "heatmap"][0]
    assert "best lr, lowest of its range" in drawn["all diverged", "heatmap"][0]


@pytest.mark.slow
def test_drawing_is_repeatable_and_the_svg_small(tmp_path):
    heatmap, *_ = figures_of(CASES["mixed"])
    first, again = (save(heatmap.draw(CASES["mixed"]), tmp_path / name)[0] for name in "ab")
    assert first.read_bytes() == again.read_bytes()
    assert first.stat().st_size < 400_000


@pytest.mark.parametrize("case", CASES)
def test_the_section_is_written_whatever_happened(case):
    study = CASES[case]
    text = " ".join(sweep_summary(study))
    section = sweep_section(study)
    assert "nan" not in text
    assert len(section.leaders) == len(study.sweep.grid.optimizers)
    total = sum(int(line[status]) for line in section.statuses for status in ("ok", "diverged", "error"))
    assert total == len(study.runs), "no run vanishes"


@pytest.mark.slow
def test_the_page_has_the_section():
    page = render([CASES["mixed"]], [])
    assert "The best cell of each optimizer" in page and "<details>" in page


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
