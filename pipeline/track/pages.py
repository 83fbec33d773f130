"""Addresses of MLflow's pages: a search of runs in an order, with the columns that answer."""

import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: MLflow's pages keep the views that people share as tags of the experiment that begin so, in JSON.
SHARED = "mlflow.sharedViewState."
_FILTER = 'tags.study = "sweep" and params.optimizer = "adam" and params.batch_size = "32"'
_NOTE = """A run for each study, its cells below it, and their seeds inside them. \
[Which learning rate is best for adam at batch size 32?]({view}) \
The first run of that view is the answer: its search is `{search}`, sorted by `summary/final_loss`, ascending. \
Edit the search to ask about another optimizer or batch size.

Tick two runs and *Compare* them. The run of a study (`tags.kind = "summary"`) holds its figures and its tables.
"""


def note(client: "MlflowClient", experiment_id: str) -> str:
    """Describe the experiment in Markdown, with a link to a view that answers a question.

    Parameters
    ----------
    client : MlflowClient
        Connected.
    experiment_id : str
        MLflow's.
    """
    return _NOTE.format(view=best_first(client, experiment_id, "adam-32", _FILTER), search=_FILTER)


def best_first(client: "MlflowClient", experiment_id: str, key: str, search: str, metric: str = "loss") -> str:
    """Keep a view of the runs that a search finds, the lowest final loss first, beside what tells cells apart.

    Parameters
    ----------
    client : MlflowClient
        Connected.
    experiment_id : str
        MLflow's.
    key : str
        The view's name; one that is kept under it already is replaced.
    search : str
        As in the pages' search field.
    metric : str
        ``loss``, or ``validation_loss`` where runs are judged by the examples held out.

    Returns
    -------
    str
        Where MLflow's pages show it: the end of the address.
    """
    loss = f"metrics.`summary/final_{metric}`"
    columns = [loss, *(f"params.`{name}`" for name in ("optimizer", "batch_size", "lr", "seeds")), "tags.`status`"]
    kept = {"searchFilter": search, "orderByKey": loss, "orderByAsc": True, "selectedColumns": columns}
    tag, value = f"{SHARED}{key}", json.dumps(kept)
    if client.get_experiment(experiment_id).tags.get(tag) != value:
        client.set_experiment_tag(experiment_id, tag, value)
    asked = urlencode({"workflowType": "machine_learning", "viewStateShareKey": key})
    return f"#/experiments/{experiment_id}/runs?{asked}"
