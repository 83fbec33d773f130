"""Figures draw every cell, whatever happened to its runs, and say what they show."""

import json
import math
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tables_for_tests import ROWS, cell, mixed, study

from pipeline.figures.__main__ import main
from pipeline.figures.cells import cells_of, costs_to_target, curve_table
from pipeline.figures.registry import registered
from pipeline.figures.style import cell_styles, save
from pipeline.lab.tables import CURVES, RUNS

ENTRIES = [entry for entry in registered() if entry.study == "textbook"]
every_figure = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def texts(figure):
    """Everything that is written in a figure, ticks included."""
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def write_study(tables, folder):
    """Write tables as a study on disk; unlike ``write_table``, with losses that are null after an error."""
    for name, table, schema in (("runs", tables.runs, RUNS), ("curves", tables.curves, CURVES)):
        nullable = pa.schema([field.with_nullable(True) for field in schema], metadata=schema.metadata)
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pandas(table, schema=nullable, preserve_index=False), folder / f"{name}.parquet")
    return folder


def test_the_figures_are_found_in_the_folder():
    assert [entry.name for entry in ENTRIES] == ["loss_by_epoch", "loss_by_time", "seconds_per_epoch", "theory_curves"]


@every_figure
def test_every_cell_and_every_status_is_drawn(entry):
    tables = mixed()
    written = "\n".join(texts(entry.draw(tables)))
    for one in tables.cells:
        assert one.label in written
    for trouble in ("2 of 4 diverged", "4 of 4 diverged", "4 of 4 error"):
        assert trouble in written


@every_figure
def test_axes_have_units(entry):
    figure = entry.draw(mixed())
    *_, bottom = figure.axes
    written = texts(figure)
    if "time" in bottom.get_xlabel():
        ticks = [text.get_text() for text in bottom.get_xticklabels()]
        assert ticks and all(tick.endswith("s") for tick in ticks), "seconds are written with their unit"
    elif entry.name == "theory_curves":  # small multiples: said once for all panels
        assert {"epochs", "loss − minimum (log scale)"} <= set(written)
    else:
        assert "epochs" in bottom.get_xlabel() and "examples seen (log scale)" in written
    if "loss" in entry.name:
        assert [axes.get_ylabel() for axes in figure.axes] == [
            "loss (half mean squared error)",
            "loss − minimum (log scale)",
        ]


@every_figure
@pytest.mark.parametrize(
    "tables",
    [
        study(cell("stacked", engine="stacked"), cell("b", batch_size=1, engine="stacked")),
        study(cell("none left", error=range(4))),
        study(cell("one", seeds=1)),
        study(cell("straight away", diverged=range(4)), minimum=0.2417),
        study(cell("", lr=0.1), cell("", lr=0.2)),
    ],
    ids=["stacked", "all failed", "one seed", "all diverged", "no labels"],
)
def test_a_study_that_lacks_something_is_drawn_all_the_same(entry, tables):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = "\n".join(texts(entry.draw(tables)))
    assert all(one.label in written for one in tables.cells)
    assert entry.caption(tables).endswith(".")


@every_figure
def test_the_offline_twin_is_named_on_every_figure_and_caption(entry):
    twin, real = mixed("airfoil_twin"), mixed()
    assert any("offline twin" in text for text in texts(entry.draw(twin)))
    assert not any("offline twin" in text for text in texts(entry.draw(real)))
    assert "Offline twin" in entry.caption(twin) and "Offline twin" not in entry.caption(real)


def test_the_same_tables_give_the_same_bytes(tmp_path):
    entry = next(entry for entry in ENTRIES if entry.name == "seconds_per_epoch")
    files = [save(entry.draw(mixed()), tmp_path / name) for name in ("first", "second")]
    for first, second in zip(*files, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert b"<dc:date>" not in files[0][0].read_bytes()


@every_figure
def test_drawing_leaves_the_tables_alone(entry):
    tables = mixed()
    runs, curves = tables.runs.copy(), tables.curves.copy()
    entry.draw(tables)
    entry.caption(tables)
    pd.testing.assert_frame_equal(tables.runs, runs)
    pd.testing.assert_frame_equal(tables.curves, curves)


def test_diverged_runs_are_crossed_and_rising_medians_leave_through_the_top():
    by_epoch = next(entry for entry in ENTRIES if entry.name == "loss_by_epoch")
    upper, lower = by_epoch.draw(mixed()).axes[:2]
    crosses = [line for line in lower.lines if line.get_marker() == "x"]
    assert sum(len(line.get_xdata()) for line in crosses) == 6
    triangles = [line for line in upper.lines if line.get_marker() == "^" and line.get_markersize() == 10]
    assert len(triangles) == 2
    assert all(line.get_ydata()[0] == upper.get_ylim()[1] for line in triangles)


def test_the_upper_panel_shows_where_runs_settle_though_one_explodes():
    exploding = cell("exploding", batch_size=1500, lr=1.0, epochs=100)
    for reading in exploding[1]:
        reading["loss"] = 0.2417 + 1e-3 * 1.2 ** reading["step"]
    tables = study(cell("calm"), exploding, minimum=0.2417)
    upper, lower = next(entry for entry in ENTRIES if entry.name == "loss_by_time").draw(tables).axes[:2]
    bottom, top = upper.get_ylim()
    assert 0.22 < bottom < 0.2417 and 0.3 < top < 0.4
    assert lower.get_ylim()[1] > 1e4


def test_the_median_counts_runs_that_stopped():
    tables = study(cell("half", seeds=5, diverged=(0, 1, 2)))
    table = curve_table(tables.cells[0], tables.curves)
    assert np.isfinite(table["loss"].iloc[:3]).all()
    assert np.isinf(table["loss"].iloc[3:]).all()
    assert np.isfinite(table["low"]).all()


def test_costs_to_the_target():
    tables = study(cell("all arrive"), cell("half arrive", lr=0.5, diverged=(1, 3)), cell("stacked", engine="stacked"))
    cells = tables.cells
    assert costs_to_target(cells, tables.curves, "examples", target=0.3)["all arrive"] == 600
    assert math.isinf(costs_to_target(cells, tables.curves, "examples", target=0.25)["half arrive"])
    assert math.isnan(costs_to_target(cells, tables.curves, "seconds", target=0.3)["stacked"])


def test_captions_compute_what_they_state():
    caption = next(entry for entry in ENTRIES if entry.name == "seconds_per_epoch").caption
    fast_full = study(cell("gd", batch_size=1500), cell("mb", batch_size=100))
    assert "b = 1500 (57.5\xa0µs) is faster than one at b = 100 (862\xa0µs), by a factor of 15" in caption(fast_full)
    slow = cell("gd", batch_size=1500)
    for run in slow[0]:
        run["seconds_per_epoch"] *= 100
    assert "b = 100 (862\xa0µs) is faster than one at b = 1500 (5.75\xa0ms)" in caption(
        study(slow, cell("mb", batch_size=100))
    )


def test_cells_are_told_apart_in_grey():
    styles = cell_styles(cells_of(mixed().runs)).values()
    assert len({(style.marker, style.dashes, style.filled) for style in styles}) == len(styles)


def test_the_command_writes_svg_png_and_captions(tmp_path, capsys):
    folder = write_study(mixed(), tmp_path / "textbook")
    main(["--out", str(tmp_path / "figures"), str(folder)])
    captions = json.loads((tmp_path / "figures" / "captions.json").read_text())
    assert [entry["name"] for entry in captions] == [entry.name for entry in ENTRIES]
    for entry in captions:
        assert (tmp_path / "figures" / entry["svg"]).read_text().startswith("<?xml")
        assert (tmp_path / "figures" / entry["png"]).read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "figures").iterdir())) == 2 * len(ENTRIES) + 1
    assert "loss_by_time.svg" in capsys.readouterr().out


def test_the_minimum_is_that_of_the_data(tmp_path):
    from pipeline.figures.minimum import least_squares_problem

    generator = np.random.default_rng(0)
    x, noise = generator.normal(size=ROWS), generator.normal(size=ROWS)
    noise -= np.polynomial.Polynomial.fit(x, noise, 1)(x)
    table = pa.table({"x": x, "y": 3 * x + 2 + noise})
    provenance = json.dumps({"name": "airfoil", "offline_twin": False})
    pq.write_table(table.replace_schema_metadata({b"provenance": provenance}), tmp_path / "data.parquet")
    runs = study(cell("gd")).runs
    minimum = least_squares_problem(tmp_path / "data.parquet", runs).minimum
    assert minimum == pytest.approx(0.5 * np.mean(noise**2), rel=1e-5)
    assert least_squares_problem(tmp_path / "data.parquet", study(cell("gd", data="other")).runs) is None


def test_a_missing_study_is_told_without_a_traceback(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--out", str(tmp_path), str(tmp_path / "nowhere")])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")
