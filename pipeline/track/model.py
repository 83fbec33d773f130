"""The best run of a study, trained again and logged to MLflow as a model that ``mlflow.pytorch.load_model`` loads."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.lab.command import command_of
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.errors import UserError, first_line
from pipeline.lab.results import CellResults, StudyResults
from pipeline.lab.settings import Tracking
from pipeline.track.owner import owner_of
from pipeline.track.store import open_store, with_patience

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from torch import nn

    from pipeline.lab.dataset import Dataset

#: How far the loss may be from that in the table: another machine rounds otherwise.
TOLERANCE = 1e-5


def log_model(folder: Path, settings: Tracking, data_dir: Path) -> str | None:
    """Log the best run of the study's best cell, by the loss that the study is judged by; nothing twice.

    The model takes the features as they were trained on, see the prepared table in ``results/data``: their names, the
    target's and those of classes are in its metadata. It is a graph that PyTorch traced, so that nobody needs the
    code of the model to load it.

    Parameters
    ----------
    folder : Path
        Of a study whose cells were logged.
    settings : Tracking
        The store.
    data_dir : Path
        The folder of the data.

    Returns
    -------
    str or None
        What :func:`mlflow.pytorch.load_model` takes; None where no run ended well.

    Raises
    ------
    UserError
        If the run cannot be trained again, its loss is not that of the table, or its model cannot be stored.
    """
    study, owner = StudyResults.read(folder, data_dir), owner_of(folder)
    losses = study.runs["final_loss"].where(study.runs["status"] == "ok", float("inf"))
    medians = losses.groupby(study.runs["cell_id"], sort=False).median()
    if not medians.min() < float("inf"):
        return None
    results = study.cells[str(medians.idxmin())]
    best = losses[study.runs["cell_id"] == results.id].to_numpy().argmin()
    seed = int(results.runs["seed"].iloc[int(best)])
    search = f"tags.folder_id = '{owner.id}' AND tags.kind = 'cell' AND tags.cell_id = '{results.id}'"

    def look_up(client: "MlflowClient", experiment: str) -> tuple[str, str]:
        """The cell's run, and the model that it has already."""
        for run in client.search_runs([experiment], search, max_results=1):
            return str(run.info.run_id), str(run.data.tags.get("model", ""))
        raise UserError(f"{folder}: cell {results.id} is not in the store: log it with python -m pipeline.track")

    def known() -> str:
        with open_store(settings) as opened:
            return look_up(*opened)[1]

    if uri := with_patience(settings, known, "no model was logged"):
        return uri
    cell = _cell(results)
    net, dataset = _trained(cell, seed, results, study.metric, data_dir)

    def once() -> str:
        with open_store(settings) as (client, experiment):
            run_id, uri = look_up(client, experiment)
            if not uri:
                mine = f"tags.folder_id = '{owner.id}' AND tags.cell_id = '{cell.id}'"
                for earlier in client.search_logged_models([experiment], mine):  # of a run that was replaced
                    client.delete_logged_model(earlier.model_id)
                uri = _store(net, dataset, settings, run_id, {"cell_id": cell.id, "seed": str(seed), **owner.tags})
                client.set_tag(run_id, "model", uri)
            return uri

    return with_patience(settings, once, "no model was logged")


def _cell(results: CellResults) -> Cell:
    """The cell as it was trained. What code it names must be the user's choice: a table imports nothing."""
    seeds, engine = int(results.runs["seed"].max()) + 1, str(results.runs["engine"].iloc[0])
    command = command_of(results.config, results.id, seeds, engine)
    if command is None:
        raise UserError(f"cell {results.id} cannot be trained again: conf/ has not every part as it was")
    cell = Cell(compose_cell([text for text in shlex.split(command)[3:] if not text.startswith("--")]))
    if cell.config.trainer.devices > 1:
        raise UserError(f"cell {results.id} was trained on {cell.config.trainer.devices} devices: no model is kept")
    return cell


def _trained(cell: Cell, seed: int, results: CellResults, metric: str, data_dir: Path) -> "tuple[nn.Module, Dataset]":
    """Train the run again, and hold its loss against the table's."""
    from pipeline.train.again import train_again
    from pipeline.train.data import prepared

    dataset = prepared(cell.config.data, data_dir)
    net, readings = train_again(cell, seed, dataset)
    found = readings.loss if metric == "loss" or readings.validation_loss is None else readings.validation_loss
    before, after = float(results.runs.set_index("seed")["final_loss"][seed]), float(found[-1, 0])
    if not abs(after - before) <= TOLERANCE * abs(before):
        raise UserError(f"cell {results.id}, seed {seed}: trained again its loss is {after}, and was {before}")
    return net, dataset


def _store(net: "nn.Module", dataset: "Dataset", settings: Tracking, run_id: str, tags: dict[str, str]) -> str:
    """Log a model with its signature."""
    import mlflow.pytorch
    import numpy as np
    import torch
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    some = dataset.X[:2]
    with torch.no_grad():
        outputs = net(torch.from_numpy(some)).numpy()
    schemas = [Schema([TensorSpec(np.dtype("float32"), (-1, *values.shape[1:]))]) for values in (some, outputs)]
    mlflow.set_tracking_uri(settings.uri)
    try:
        logged = Model.log(
            None,
            mlflow.pytorch,
            name="model",
            run_id=run_id,
            tags=tags,
            metadata={"columns": list(dataset.columns), "classes": list(dataset.classes)},
            pytorch_model=net,
            signature=ModelSignature(inputs=schemas[0], outputs=schemas[1]),
            input_example=some,
            validate_serving_input=False,
            pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}"],
            serialization_format="pt2",
        )
    except RuntimeError as error:
        raise UserError(f"torch.export cannot trace the model: {first_line(error)}") from None
    return str(logged.model_uri)
