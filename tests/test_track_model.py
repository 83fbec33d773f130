"""The best run of a study can be had back from MLflow as a model, and predicts as it did."""

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from repository import ROOT

from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.dataset import load_dataset
from pipeline.lab.tables import RUNS, read_table
from pipeline.train.again import train_again
from pipeline.train.cells import train_cells


@pytest.mark.slow
@pytest.mark.parametrize("how", ["engine=solo", "engine=stacked", "engine=stacked stack=3/13", "implementation=torch"])
@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_a_run_that_is_trained_again_has_the_loss_of_the_table_and_so_has_its_model(dataset, how, model):
    given = ["data=airfoil_twin", "optimizer=adam", "lr=0.01", "batch_size=100", "seeds=2", f"model={model}"]
    cell = Cell(compose_cell([*given, *how.split()]))
    runs, _ = train_cells([cell], {"airfoil_twin": dataset})
    for seed in (0, 1):
        net, readings = train_again(cell, seed, dataset)
        expected = runs.final_loss[runs.seed == seed].item()
        assert readings.loss[-1].tolist() == [expected]
        with torch.no_grad():
            predicted = net(torch.from_numpy(dataset.X)).numpy()[:, 0].astype(float)
        assert ((predicted - dataset.y) ** 2).mean() / 2 == pytest.approx(expected, rel=1e-6)


MODEL = """
from torch import nn


class Net(nn.Module):
    def __init__(self, in_features, out_features, hidden=6, normalised=True):
        super().__init__()
        self.first, self.last = nn.Linear(in_features, hidden), nn.Linear(hidden, out_features)
        self.norm = nn.BatchNorm1d(hidden) if normalised else nn.Tanh()

    def forward(self, x):
        return self.last(self.norm(self.first(x)).relu())
"""
STUDY = """
name: mine
engine: stacked
seeds: 3
lr_points: 5
common: {epochs: 2, read_every: 0}
grid: {optimizer: [adam], batch_size: [20]}
"""
LOAD = """
import sys, mlflow, numpy as np, torch
mlflow.set_tracking_uri(sys.argv[2])
net, X = mlflow.pytorch.load_model(sys.argv[1]), np.load(sys.argv[3])
for some in (X[:1], X[:7], X):
    found = net(torch.from_numpy(some)).detach().numpy()
np.save("predicted.npy", found)
print(mlflow.models.get_model_info(sys.argv[1]).signature)
"""


@pytest.mark.slow
@pytest.mark.parametrize("normalised", [True, False], ids=["solo", "stacked"])
def test_whoever_has_the_store_loads_the_best_model_without_its_code_and_predicts(tmp_path, run, normalised):
    (tmp_path / "conf" / "study").mkdir(parents=True)
    (tmp_path / "conf" / "study" / "mine.yaml").write_text(STUDY)
    (tmp_path / "nets.py").write_text(MODEL)
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(300, 3)).round(3), columns=list("aby")).assign(d=["u", "v", "w"] * 100)
    frame["kind"] = np.where(frame.a - frame.b**2 + frame.y > -1, "high", np.where(frame.a > 0, "middle", "low"))
    frame.to_csv(tmp_path / "mine.csv", index=False)

    def do(*arguments, cwd=tmp_path, **environment):
        done = run(*arguments, cwd=cwd, AIRFOIL_DATA="", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    chosen = f"data=table,data.path=mine.csv,data.target=kind,model=nets.py:Net,model.normalised={normalised}"
    lab = ["snakemake", "--cores", "2", "-s", ROOT / "Snakefile", "--directory", tmp_path, "--config", "studies=[mine]"]
    do(*lab, f"overrides=[{chosen}]", "measurements=[]", "--", "log_runs", PYTHONPATH=str(ROOT))
    log = (tmp_path / "results" / "logs" / "track" / "runs.log").read_text()
    (uri,) = re.findall(r"mine: mlflow.pytorch.load_model\('(.*)'\)", log)
    (table,) = (tmp_path / "results" / "data").glob("*.parquet")
    dataset = load_dataset(table, 300)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    np.save(elsewhere / "X.npy", dataset.X)
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    said = do(sys.executable, "-P", "-c", LOAD, uri, store, "X.npy", cwd=elsewhere)
    assert f"Tensor('float32', (-1, {dataset.X.shape[1]}))" in said and "Tensor('float32', (-1, 3))" in said

    runs = read_table(tmp_path / "results" / "mine" / "runs.parquet", RUNS)
    assert set(runs.engine) == {"solo" if normalised else "stacked"}
    best = runs.groupby("cell_id").final_validation_loss.median().idxmin()
    expected = runs[runs.cell_id == best].sort_values("final_validation_loss").iloc[0]
    predicted = torch.from_numpy(np.load(elsewhere / "predicted.npy"))
    trained_on = json.loads(expected.config)["data"]["rows"]
    parts = slice(0, trained_on), slice(trained_on, None)
    losses = [torch.nn.functional.cross_entropy(predicted[p], torch.from_numpy(dataset.y)[p]).item() for p in parts]
    assert losses == pytest.approx([expected.final_loss, expected.final_validation_loss], rel=1e-6)
    again = do("python", "-m", "pipeline.track", "--models", "results/mine", PYTHONPATH=str(ROOT))
    assert f"load_model('{uri}')" in again
