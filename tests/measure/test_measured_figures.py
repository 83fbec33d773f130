"""Every measurement has a figure: it draws small tables, names its units, and its caption has their numbers."""

import json

import pytest
import torch
from matplotlib.text import Text

from pipeline.contrib.machine.measurement import loading, memory, vectorisation
from pipeline.contrib.machine.measurement.epoch_metric import measure_epochs
from pipeline.contrib.noise.measurement import gradient_noise, noise_scale
from pipeline.figures.__main__ import main as draw
from pipeline.figures.registry import figures_of, registered
from pipeline.figures.words import spoken
from pipeline.measure import measurements, step_cost
from pipeline.measure.table import Measured, table_of, write_measured


def small_vectorisation(dataset):
    rows = vectorisation.measure_cold(16) + vectorisation.measure_methods(16, 1, 1, 0.0, [4, 8])
    return table_of("vectorisation", rows + vectorisation.measure_sizes([8, 16], 1, 1, 0.0))


def small_memory(dataset):
    peaks = memory.measure_peaks(32, 2**16, [1], 1)
    rows = [*memory.measure_bandwidth([4096, 2**16], 1), *peaks, *memory.measure_products(16, 1)]
    return table_of("memory", [*rows, *memory.cache_rows(), *memory.arithmetic(peaks)])


def small_gradient_noise(dataset):
    return gradient_noise.measure_noise(gradient_noise.problem_of(dataset), [1, 100, 1500], epochs=5)


def small_noise_scale(dataset):
    problem = gradient_noise.problem_of(dataset)
    runs = noise_scale.along_training(problem, noise_scale.RUNS, seeds=2)
    paying = noise_scale.where_it_stops_paying(problem, [1, 16, 256], [0.03, 0.02])
    return noise_scale.with_excess([runs, paying], problem.minimum)


def small_step_cost(dataset):
    rows = step_cost.measure_steps(step_cost.subjects(dataset, ["sgd"], {100: 4, 1500: 2}), rounds=1)
    return table_of("step_cost", rows)


def small_epoch_metric(dataset):
    return measure_epochs(dataset, repeats=1, rounds=1)


def small_loading(dataset):
    source = loading.table_source("numbers", torch.arange(50.0).unsqueeze(1), torch.zeros(50))
    loaders = [loading.SLICES, loading.PLAIN, loading.Loader(workers=1, prefetch=2)]
    return table_of("loading", loading.measure_loaders(source, {8: loaders}, 1, trained=loaders[:2]))


SMALL = {name: globals()[f"small_{name}"] for name in measurements()}


#: The comparisons of frameworks and of finders are opt-in: they have their own tests, and environments of their own.
OPT_IN = {"finders", "frameworks"}


@pytest.fixture(scope="module", params=sorted(measurements()))
def measured(request, dataset):
    facts = {"data": {"name": dataset.name, "rows": 1500, "offline_twin": True}}
    return Measured(request.param, SMALL[request.param](dataset), facts)


def test_every_measurement_has_a_figure():
    assert {entry.name for entry in registered() if entry.kind == "measurement"} == set(measurements()) | OPT_IN


@pytest.mark.slow
def test_it_is_drawn_with_its_units_and_says_that_the_twin_was_used(measured, tmp_path):
    write_measured(measured, tmp_path / "table.parquet")
    draw(["--out", str(tmp_path / "figures"), "--measured", str(tmp_path / "table.parquet")])
    (entry,) = json.loads((tmp_path / "figures" / "captions.json").read_text())
    assert entry["measurement"] == measured.name
    assert entry["offline_twin"] and entry["caption"].startswith("Offline twin")
    assert "nan" not in entry["caption"]
    assert (tmp_path / "figures" / entry["svg"]).stat().st_size > 10_000
    (one,) = figures_of(measured)
    figure = one.draw(measured)
    assert all(axes.get_title(loc="left") for axes in figure.axes)
    assert all(axes.get_ylabel() or axes.get_yticklabels()[0].get_text() for axes in figure.axes)
    assert figure.axes[-1].get_xlabel()
    assert entry["title"] == one.title(measured) and entry["title"] in figure.get_suptitle().replace("\n", " ")
    assert any(character.isdigit() for character in entry["title"]) and "nan" not in entry["title"], "a finding"
    with spoken("pt"):
        texts = {text.get_text() for text in one.draw(measured).findobj(Text)}
        written = one.title(measured), one.caption(measured)
    assert not set(written) & {entry["title"], entry["caption"]}
    assert not {axes.get_title(loc="left") for axes in figure.axes} & texts


def test_nothing_to_draw_is_a_mistake(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        draw(["--out", str(tmp_path)])
    assert ended.value.code == 2
    assert "nothing to draw" in capsys.readouterr().err
