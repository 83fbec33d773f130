"""``pipeline.compare``: arrays in; tables, advice, figures and a report out."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_diabetes, load_wine
from sklearn.preprocessing import StandardScaler
from torch import nn

import pipeline
from pipeline.api.arrays import dataset_of
from pipeline.lab.config import compose_data
from pipeline.lab.errors import UserError
from pipeline.parts import own

X, y = load_diabetes(return_X_y=True, as_frame=True)
SMALL = {"batch_sizes": 100, "epochs": 2, "seeds": 2, "progress": False}


class Net(nn.Module):
    def __init__(self, in_features, out_features, hidden=4):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(in_features, hidden), nn.Tanh(), nn.Linear(hidden, out_features))

    def forward(self, x):
        return self.net(x)


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch):
    monkeypatch.setenv(own.VARIABLE, "")


@pytest.fixture(scope="module")
def result():
    return pipeline.compare(
        ["linear", Net], X, y, optimizers=["sgd", "adam"], batch_sizes=[20, 100], epochs=2, seeds=3, progress=False
    )


def test_every_combination_is_trained_in_stacks_by_default(result):
    assert len(result.runs) == 2 * 2 * 2 * 7 * 3
    assert set(result.runs.engine) == {"stacked"}
    assert set(result.runs.optimizer) == {"sgd", "adam"}
    assert set(result.runs.batch_size) == {20, 100}
    assert set(result.curves.cell_id) == set(result.runs.cell_id)


def test_the_import_is_light():
    code = "import sys, pipeline; pipeline.compare; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_losses_are_those_of_a_loop_in_torch():
    """Full batch, plain SGD, on features that scikit-learn standardises."""
    found = pipeline.compare(
        Net, X, y, batch_sizes=len(X), learning_rates=0.1, epochs=5, seeds=1, engine="solo", progress=False
    )
    xs = torch.tensor(StandardScaler().fit_transform(X), dtype=torch.float32)
    ys = torch.tensor(StandardScaler().fit_transform(y.to_numpy()[:, None]), dtype=torch.float32)
    np.testing.assert_allclose(found.dataset.X, xs, atol=1e-6)
    data, _ = dataset_of(X, y, None, None, task=None, standardize=True, name="arrays")
    from pipeline.lab.config.compose import compose_values
    from pipeline.parts import models
    from pipeline.train.order import generator

    config = compose_values({"model": own.keep(Net), "batch_size": 1}, data)
    net = models.build(config.model, 10, generator(0, "init"), 1)
    losses = []
    for _ in range(6):
        loss = 0.5 * ((net(xs) - ys) ** 2).mean()
        losses.append(loss.item())
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad
    np.testing.assert_allclose(found.curves.loss, losses, rtol=1e-5)


def test_the_advice_is_text_and_a_frame(result):
    answer = result.advise()
    assert str(answer) == answer.text
    assert (
        answer.text.count("For epochs") >= 4
        and "pipeline.compare(Net, X, y" not in answer.text.split("adam on")[0][:50]
    )
    assert (
        set(answer.frame.optimizer) == {"sgd, linear", "sgd, Net", "adam, linear", "adam, Net"}
        or len(set(answer.frame.optimizer)) == 4
    )
    best = answer.frame[answer.frame.measure == "loss"]
    for row in best.itertuples():
        runs = result.runs[result.runs.cell_id == row.cell_id]
        assert runs.sort_values("seed").final_loss.median() == pytest.approx(row.median)  # too few seeds to part
    assert len(result.advise("adam").frame) < len(answer.frame)
    with pytest.raises(UserError, match="optimizer=adm is not allowed.*did you mean adam"):
        result.advise("adm")


@pytest.mark.slow
def test_the_calls_that_advise_prints_train_the_cells_again(result):
    calls = {line.partition(": ")[2] for line in result.advise().text.splitlines() if line.startswith("For ")}
    assert len(calls) >= 4
    for call in calls:
        again = repeated(call)
        (cell_id,) = set(again.runs.cell_id)
        before = result.curves[result.curves.cell_id == cell_id]
        np.testing.assert_array_equal(again.curves.loss, before.loss)


def repeated(call):
    """What a printed call gives."""
    return eval(call[:-1] + ", progress=False)", {"pipeline": pipeline, "X": X, "y": y, "Net": Net})


@pytest.mark.parametrize(
    "keys",
    [
        {"common": {"model.hidden": 3, "schedule": "cosine"}},
        {"engine": "solo", "standardize": False},
        {"common": {"implementation": "torch", "+optimizer.torch.weight_decay": 0.1}},
    ],
)
def test_the_call_has_every_key_that_was_given_and_gives_the_same_losses_to_the_last_bit(keys):
    first = pipeline.compare(Net, X, y, optimizers="momentum", learning_rates=1e-4, name="mine", **keys, **SMALL)
    (cell,) = first.study.cells.values()
    call = first.call(cell)
    assert call in first.advise(target=float(cell.losses.max())).text
    again = repeated(call)
    assert again.runs.cell_id.tolist() == first.runs.cell_id.tolist()
    np.testing.assert_array_equal(again.curves.loss, first.curves.loss)


@pytest.mark.slow
def test_figures_and_report(result, tmp_path):
    assert "heatmap" in result.figures
    assert result.plot("heatmap").axes
    assert result.plot().axes
    with pytest.raises(UserError, match="figure=heatmp is not allowed.*did you mean heatmap"):
        result.plot("heatmp")
    page = result.report(tmp_path / "page.html").read_text()
    assert "Comparison on arrays" in page
    assert "unknown" in page  # its licence


def test_classes_by_their_names_with_examples_held_out():
    wine = load_wine(as_frame=True)
    names = wine.target.map(dict(enumerate(wine.target_names)))
    held = np.arange(len(names)) % 5 == 0
    found = pipeline.compare(
        "linear", wine.data[~held], names[~held], X_val=wine.data[held], y_val=names[held], learning_rates=0.1, **SMALL
    )
    assert found.dataset.classes == ("class_0", "class_1", "class_2")
    assert (found.runs.accuracy > 0.8).all()
    changed = wine.data[held] * 2
    other = pipeline.compare(
        "linear", wine.data[~held], names[~held], X_val=changed, y_val=names[held], learning_rates=0.1, **SMALL
    )
    np.testing.assert_array_equal(found.curves.loss, other.curves.loss)  # nothing leaks
    assert found.runs.cell_id.tolist() == other.runs.cell_id.tolist()


def test_the_loss_that_cells_are_judged_by_and_the_target_can_be_said():
    halves = {"X_val": X[300:], "y_val": y[300:], "learning_rates": [0.001, 0.1], **SMALL}
    by_held_out, by_training = (
        pipeline.compare("linear", X[:300], y[:300], target_metric=metric, target_loss=0.3, **halves)
        for metric in ("auto", "loss")
    )
    assert "The target is a validation loss of 0.30000, the study's own" in by_held_out.advise().text
    assert "The target is a loss of 0.30000, the study's own" in by_training.advise().text
    np.testing.assert_array_equal(by_held_out.curves.loss, by_training.curves.loss)
    with pytest.raises(UserError, match="target_metric=validation_loss is not allowed without examples held out"):
        pipeline.compare("linear", X, y, target_metric="validation_loss", **SMALL)
    with pytest.raises(UserError, match="metric=guess is not allowed"):
        pipeline.compare("linear", X, y, target_metric="guess", **SMALL)


def test_a_dataset_of_the_labs(dataset):
    found = pipeline.compare("linear", dataset, learning_rates=0.1, **SMALL)
    config = compose_data(["data=airfoil_twin"])
    assert config.rows == len(found.dataset.X)
    assert set(found.runs.status) == {"ok"}


def test_further_axes_and_several_learning_rates():
    found = pipeline.compare(
        Net,
        X,
        y,
        optimizers="momentum",
        learning_rates=[0.01, 0.1],
        grid={"model.hidden": [2, 8], "optimizer.hyperparams.momentum": [0.5, 0.9]},
        **SMALL,
    )
    assert len(found.runs) == 2 * 2 * 2 * 2
    assert "hidden 2" in found.advise().text and "momentum 0.9" in found.advise().text


WRONG = X.copy()
WRONG.iloc[3, 2] = np.nan


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"X": WRONG}, r"X\[3, 2\]=nan is not allowed.*SimpleImputer"),
        ({"X": X.assign(sex="f")}, "X is not allowed: it must be numbers.*OneHotEncoder"),
        ({"X": X.to_numpy()[:, 0]}, r"X of shape \(442,\) is not allowed"),
        ({"y": y[:5]}, r"y of shape \(5,\) is not allowed: it must be \(442,\)"),
        ({"y": np.arange(442)}, "task is not clear: y has 442 different whole numbers"),
        ({"y": np.zeros(442, int)}, r"the targets are of 1 class\(es\)"),
        ({"y": np.array(["a"] * 442), "task": "regression"}, "task=regression learns numbers"),
        ({"X_val": X}, "give both, or none"),
        ({"X_val": X.iloc[:, :3], "y_val": y}, r"an example of X is \(10,\)"),
        ({"y": np.arange(442) % 2, "X_val": X, "y_val": np.arange(442) % 3}, "y has no such class, only 0, 1"),
        ({"optimizers": "addam"}, "optimizer=addam is not allowed.*did you mean adam"),
        ({"batch_sizes": 443}, "arrays has 442 training examples"),
        ({"epochs": 0}, "epochs=0 is not allowed"),
        ({"learning_rates": -1.0}, "lr=-1.0 is not allowed"),
        ({"common": {"model.hiddenn": 3}}, "hiddenn"),
        ({"engine": "quick"}, "engine=quick is not allowed"),
        ({"name": "a/b"}, "name='a/b' is not allowed"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(arguments, why):
    given = {"X": X, "y": y, "learning_rates": 0.1, **SMALL} | arguments
    with pytest.raises(UserError, match=why) as refusal:
        pipeline.compare(Net, **given)
    assert "\n" not in str(refusal.value)


def test_a_factory_that_is_in_no_file_is_known_by_its_text_and_what_it_holds():
    def factory(width):
        return lambda in_features, out_features: Net(in_features, out_features, width)

    found = [pipeline.compare(factory(one), X, y, learning_rates=0.1, **SMALL) for one in (2, 8, 2)]
    assert {engine for one in found for engine in one.runs.engine} == {"stacked"}
    ids = [set(one.runs.cell_id) for one in found]
    assert ids[0] == ids[2] != ids[1]
    np.testing.assert_array_equal(found[0].curves.loss, found[2].curves.loss)
    assert (found[0].curves.loss != found[1].curves.loss).any()


def test_a_comparison_in_which_every_run_fails_raises():
    class Failing(Net):
        def forward(self, x):
            if len(x) == 100:
                raise RuntimeError("no luck")
            return super().forward(x)

    with pytest.raises(UserError, match="every run failed: .*no luck"):
        pipeline.compare(Failing, X, y, learning_rates=0.1, **SMALL)


def test_a_progress_bar_is_shown_where_it_is_asked_for(capsys):
    pipeline.compare("linear", X, y, learning_rates=0.1, **SMALL | {"progress": True})
    assert "steps" in capsys.readouterr().out
    pipeline.compare("linear", X, y, learning_rates=0.1, **SMALL)
    assert capsys.readouterr() == ("", "")


def test_arrays_of_any_kind_are_taken():
    kinds = [(X, y), (X.to_numpy(), y.to_numpy()), (torch.tensor(X.to_numpy()), y.tolist()), (X, pd.DataFrame(y))]
    curves = [pipeline.compare("linear", *one, learning_rates=0.1, **SMALL).curves.loss for one in kinds]
    for other in curves[1:]:
        np.testing.assert_array_equal(curves[0], other)


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    """A part of the chapter's study, on the twin: no network is needed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.api.training.DATA", tmp_path_factory.mktemp("data"))
        found = pipeline.study("textbook", "data=airfoil_twin", "seeds=2", only=["gd", "minibatch 100"])
        assert found.study.minimum is not None
        return found


def test_a_part_of_a_study_is_trained_under_its_own_labels_and_seeds(part):
    assert [cell.label for cell in part.study.cells.values()] == ["gd", "minibatch 100"]
    assert len(part.runs) == 4 and set(part.runs.seed) == {0, 1} and set(part.runs.engine) == {"solo"}
    assert part.study.minimum < part.runs.final_loss.min()


def test_a_part_of_a_study_has_its_figures_and_the_commands_of_its_cells(part):
    assert {"loss_by_epoch", "loss_by_time"} <= set(part.figures)
    assert part.plot("loss_by_time").axes
    calls = [part.call(cell) for cell in part.study.cells.values()]
    assert all(call.startswith("python -m pipeline.train ") for call in calls) and "batch_size=100" in calls[1]


def test_what_a_study_has_not_is_refused():
    with pytest.raises(UserError, match="only=gdd is not allowed.*did you mean gd"):
        pipeline.study("textbook", only=["gdd"])
    with pytest.raises(UserError, match="search=race is not allowed"):
        pipeline.study("sweep", "search=race")
