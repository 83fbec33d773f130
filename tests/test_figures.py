"""Figures belong to a kind of study: they draw every cell of any such study, and say what they show."""

import json
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tables_for_tests import analysed, cell, mixed, study, write_study

from pipeline.analysis.cells import costs_to_target, curve_table
from pipeline.figures import registry
from pipeline.figures.__main__ import main
from pipeline.figures.registry import figures_of, register, registered
from pipeline.figures.style import cell_looks, new_figure, save
from pipeline.figures.words import LANGUAGES, spoken
from pipeline.lab.errors import UserError
from pipeline.lab.theory import Problem
from pipeline.measure.table import Measured

CURVES = ("loss_by_epoch", "loss_by_time", "seconds_per_epoch", "theory_curves")
generator = np.random.default_rng(0)
PROBLEM = Problem.from_data(generator.normal(size=(1500, 3)), generator.normal(size=1500))

STUDIES = {
    "mixed": mixed(),
    "twin": mixed("airfoil_twin"),
    "stacked": study(cell("a", engine="stacked"), cell("b", batch_size=1, engine="stacked")),
    "all failed": study(cell("none left", error=range(4))),
    "no labels, one seed": study(cell("", lr=0.1, seeds=1), cell("", lr=0.2, seeds=1)),
    "all diverged": study(cell("straight away", diverged=range(4)), minimum=0.2417),
}
STUDIES["theory"] = analysed(STUDIES["mixed"].runs, STUDIES["mixed"].curves, PROBLEM.minimum, PROBLEM)


@dataclass
class Drawn:
    """A figure that was drawn once, for all tests."""

    figure: Any
    texts: list[str]
    title: str
    caption: str

    @property
    def written(self):
        return "\n".join(self.texts)


@pytest.fixture(scope="module")
def drawn():
    """Every figure that fits each study, drawn without a warning, by study and figure."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for case, one in STUDIES.items():
            before = one.runs.copy(), one.curves.copy()
            for entry in figures_of(one):
                figure = entry.draw(one)
                if case in ("mixed", "theory", "all diverged"):  # a layout takes longer than all else
                    figure.draw_without_rendering()
                texts = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
                found[case, entry.name] = Drawn(figure, texts, entry.title(one), entry.caption(one))
            for table, copy in zip((one.runs, one.curves), before, strict=True):
                pd.testing.assert_frame_equal(table, copy)
    return found


def test_a_study_gets_the_figures_that_fit_whatever_its_name():
    assert [entry.name for entry in registered() if entry.kind == "curves"] == list(CURVES)
    names = {case: [entry.name for entry in figures_of(one)] for case, one in STUDIES.items()}
    assert names["mixed"] == ["loss_by_epoch", "loss_by_time", "seconds_per_epoch"]
    assert names["stacked"] == ["loss_by_epoch"], "without a clock there is no time to draw"
    assert names["theory"] == list(CURVES)
    assert [entry.name for entry in figures_of(study(cell("sgd"), kind="exercise", name="mine"))] == ["final_losses"]
    with pytest.raises(ValueError, match="kind='textbook' is not allowed: it must be one of curves, sweep, exercise"):
        register(kind="textbook", title="", caption=str)


@pytest.mark.parametrize("case", STUDIES)
def test_every_cell_and_every_status_is_drawn(drawn, case):
    for name in (name for of, name in drawn if of == case):
        one = drawn[case, name]
        assert all(cell.name in one.written for cell in STUDIES[case].cells.values())
        assert one.caption.endswith(".") and "nan" not in one.caption
        assert one.title and "nan" not in one.title and one.title in one.figure.get_suptitle().replace("\n", " ")
        if case == "mixed":
            for trouble in ("2 of 4 diverged", "4 of 4 diverged", "4 of 4 error"):
                assert trouble in one.written
        assert ("offline twin" in one.written) is one.caption.startswith("Offline twin") is (case == "twin")


def test_axes_have_units(drawn):
    for name, words in (("loss_by_time", "training time"), ("seconds_per_epoch", "training time per epoch")):
        axes = drawn["mixed", name].figure.axes[-1]
        ticks = [text.get_text() for text in axes.get_xticklabels()]
        assert words in axes.get_xlabel() and ticks and all(tick.endswith("s") for tick in ticks)
    by_epoch = drawn["mixed", "loss_by_epoch"]
    assert {"epochs (passes over the data, log scale)", "examples seen (log scale)"} <= set(by_epoch.texts)
    labels = [axes.get_ylabel() for axes in by_epoch.figure.axes]
    assert labels == ["loss − minimum (half mean squared error, log scale)"]
    assert {"epochs", "loss − minimum (log scale)"} <= set(drawn["theory", "theory_curves"].texts)


def test_a_classifiers_loss_is_a_cross_entropy():
    images = study(cell("a"))
    images.runs["accuracy"] = 0.9
    (entry,) = (entry for entry in figures_of(images) if entry.name == "loss_by_epoch")
    assert entry.draw(images).axes[0].get_ylabel() == "loss (mean cross-entropy, log scale)"


def test_the_same_tables_give_the_same_bytes(tmp_path):
    entry = next(entry for entry in registered() if entry.name == "seconds_per_epoch")
    one = study(cell("a"), cell("b", batch_size=1))
    files = [save(entry.draw(one), tmp_path / name) for name in ("first", "second")]
    for first, second in zip(*files, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert b"<dc:date>" not in files[0][0].read_bytes()


def test_diverged_runs_are_crossed_and_medians_that_leave_end_in_triangles(drawn):
    axes = drawn["mixed", "loss_by_epoch"].figure.axes[0]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert sum(len(line.get_xdata()) for line in crosses) == 6
    triangles = [line for line in axes.lines if line.get_marker() == "^" and line.get_markersize() == 10]
    assert len(triangles) == 2
    assert all(line.get_ydata()[0] == axes.get_ylim()[1] for line in triangles)


def test_the_panel_shows_where_runs_settle_though_one_explodes_and_one_is_exact():
    exploding, exact = (cell(name, batch_size=1500, lr=1.0, epochs=100) for name in ("exploding", "exact"))
    for (_, readings), growth in ((exploding, 1.2), (exact, 0.5)):
        for reading in readings:
            reading["loss"] = 0.2417 + 0.05 * growth ** reading["step"]
    one = study(cell("calm"), cell("calmer", lr=0.04), exploding, exact, minimum=0.2417)
    (axes, *_) = next(entry for entry in registered() if entry.name == "loss_by_time").draw(one).axes
    bottom, top = axes.get_ylim()
    assert 1e-4 < bottom < 0.0033 and 0.01 < top < 1, "two decades, and not fifteen"
    marked = {line.get_marker(): line.get_ydata()[0] for line in axes.lines if line.get_markersize() == 10}
    assert marked == {"^": top, "v": bottom}
    assert {"exploding", "exact"} <= {text.get_text() for text in axes.texts}
    (level,) = (
        line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--" and len(line.get_xdata()) == 2
    )
    assert level == pytest.approx(0.25 - 0.2417), "the target's line"


def test_the_title_of_the_loss_curves_is_what_they_show():
    (entry,) = (entry for entry in registered() if entry.name == "loss_by_epoch")
    late = cell("late", batch_size=1500, epochs=10)
    for reading in late[1]:
        reading["loss"] = 0.3 + 0.02 * (reading["step"] - 6) ** 2
    for run in late[0]:
        run["initial_loss"], run["final_loss"] = 0.4, 0.62
    assert entry.title(study(cell("calm"), late)) == "“late” diverges, but only after epoch 6"
    assert entry.title(study(cell("calm"), cell("slower", final=0.2455))).startswith(
        "“calm” is at a loss of 0.25 after the fewest examples, "
    )
    assert entry.title(study(cell("calm", final=0.3))) == "No cell reaches a loss of 0.25"


def test_the_median_counts_runs_that_stopped():
    one = study(cell("half", seeds=5, diverged=(0, 1, 2)))
    table = curve_table(one.curves)
    assert np.isfinite(table["loss"].iloc[:3]).all()
    assert np.isinf(table["loss"].iloc[3:]).all()
    assert np.isfinite(table["low"]).all()


def test_costs_to_the_target_are_read_between_readings():
    one = study(cell("all arrive"), cell("half arrive", lr=0.5, diverged=(1, 3)), cell("stacked", engine="stacked"))
    cells = one.cells.values()
    curve = [0.245 + 0.245 * math.exp(-examples / 300) for examples in (400, 600)]
    between = 400 + 200 * (curve[0] - 0.3) / (curve[0] - curve[1])
    (lowest,) = (cell.id for cell in cells if cell.name == "all arrive")
    own = one.curves[(one.curves["cell_id"] == lowest) & (one.curves["seed"] == 0)]
    assert costs_to_target(cells, own, "examples", target=0.3)["all arrive"] == math.inf, "one seed of four is no half"
    alone = study(cell("all arrive", seeds=1))
    found = costs_to_target(alone.cells.values(), alone.curves, "examples", target=0.3)
    assert found["all arrive"] == pytest.approx(between)
    found = costs_to_target(alone.cells.values(), alone.curves, "seconds", target=0.3)
    assert found["all arrive"] == pytest.approx(between / 10 * 5e-5)
    assert math.isinf(costs_to_target(cells, one.curves, "examples", target=0.25)["half arrive"])
    assert math.isnan(costs_to_target(cells, one.curves, "seconds", target=0.3)["stacked"])


def test_titles_and_captions_compute_what_they_state():
    (entry,) = (entry for entry in registered() if entry.name == "seconds_per_epoch")
    fast_full = study(cell("gd", batch_size=1500), cell("mb", batch_size=100))
    assert entry.title(fast_full) == (
        "An epoch takes 862\xa0µs at b = 100 and 57.5\xa0µs at b = 1500: 15 times as long"
    )
    assert "in the median: 862\xa0µs at b = 100 and 57.5\xa0µs at b = 1500." in entry.caption(fast_full)
    slow = cell("gd", batch_size=1500)
    for run in slow[0]:
        run["seconds_per_epoch"] *= 100
    assert entry.title(study(slow, cell("mb", batch_size=100))).startswith(
        "An epoch takes 5.75\xa0ms at b = 1500 and 862\xa0µs at b = 100"
    )
    assert entry.title(study(cell("gd"))) == "An epoch at b = 10 takes 8.62\xa0ms"


def test_cells_are_told_apart_in_grey():
    looks = cell_looks(list(mixed().cells.values())).values()
    assert len({(look["marker"], look["linestyle"], look["markerfacecolor"] == "white") for look in looks}) == len(
        looks
    )


def test_the_command_writes_svg_png_and_captions_in_a_folder_for_each_study(tmp_path, capsys):
    stacked = cell("a", engine="stacked")
    folders = [write_study(study(stacked, name=name), tmp_path / name) for name in ("mine", "yours")]
    main(["--out", str(tmp_path / "figures"), *map(str, folders)])
    captions = json.loads((tmp_path / "figures" / "captions.json").read_text())
    assert [(entry["study"], entry["name"]) for entry in captions] == [
        ("mine", "loss_by_epoch"),
        ("yours", "loss_by_epoch"),
    ]
    for entry in captions:
        assert entry["svg"] == f"{entry['study']}/{entry['name']}.svg"
        assert (tmp_path / "figures" / entry["svg"]).read_text().startswith("<?xml")
        assert (tmp_path / "figures" / entry["png"]).read_bytes().startswith(b"\x89PNG")
    assert "mine/loss_by_epoch.svg" in capsys.readouterr().out


def test_an_edited_label_is_what_the_figures_say(tmp_path):
    one = study(cell("a"))
    (cell_id,) = one.cells
    edited = study(cell("a"), labels={cell_id: "another word"})
    (entry,) = (entry for entry in figures_of(edited) if entry.name == "loss_by_epoch")
    assert "“another word”" in entry.caption(edited) and "“a”" not in entry.caption(edited)


def test_a_missing_study_is_reported_without_a_traceback(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--out", str(tmp_path), str(tmp_path / "nowhere")])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_title_may_be_a_text_and_is_shown_as_it_is(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", {})

    @register(kind="measurement", title="$5 a row", caption=lambda measured: "Money.", name="own")
    def own(measured):
        return new_figure(2)

    source = Measured("own", pd.DataFrame(), {"data": {"offline_twin": True}})
    (entry,) = figures_of(source)
    heading = own(source).get_suptitle()
    assert (entry.title(source), heading.strip()) == ("$5 a row", "$5 a row")
    assert entry.caption(source) == "Offline twin: generated data. Money."


@pytest.mark.slow
@pytest.mark.parametrize("code", LANGUAGES)
def test_no_word_is_cut_off_in_any_language(code):
    with spoken(code):
        for one in STUDIES.values():
            for entry in figures_of(one):
                figure = entry.draw(one)
                figure.draw_without_rendering()
                figure.draw_without_rendering()
                words = [figure._suptitle, *figure.texts, *(t for legend in figure.legends for t in legend.get_texts())]
                for axes in figure.axes:
                    words += [axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title, *axes.get_yticklabels()]
                for text in words:
                    box = text.get_window_extent()
                    assert not text.get_text() or (box.x0 > -3 and box.x1 < figure.bbox.width + 3), text.get_text()


def test_the_language_changes_the_words_and_no_number():
    one, number = STUDIES["mixed"], re.compile(r"\d+")
    english = [(entry.title(one), entry.caption(one)) for entry in figures_of(one)]
    with spoken("pt"):
        portuguese = [(entry.title(one), entry.caption(one)) for entry in figures_of(one)]
        labels = {axes.get_ylabel() for entry in figures_of(one) for axes in entry.draw(one).axes}
    assert any(label.startswith("perda − mínimo (metade do ") and label.endswith("escala log)") for label in labels)
    for ours, theirs in zip(english, portuguese, strict=True):
        for text, other in zip(ours, theirs, strict=True):
            assert text != other and sorted(number.findall(text)) == sorted(number.findall(other))
    with pytest.raises(UserError, match="lang=fr is not allowed: choose one of en, pt"), spoken("fr"):
        pass
    assert [(entry.title(one), entry.caption(one)) for entry in figures_of(one)] == english


def test_the_command_draws_in_a_language(tmp_path):
    folder = write_study(study(cell("a", engine="stacked"), name="mine"), tmp_path / "mine")
    main(["--out", str(tmp_path / "figures"), "--lang", "pt", str(folder)])
    (entry,) = json.loads((tmp_path / "figures" / "captions.json").read_text())
    assert entry["title"].startswith("“a” chega a uma perda de 0,25 com menos exemplos, ")
