"""Addresses of MLflow's pages: a search of runs in an order, with the columns that answer."""

import json
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

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

#: What the report links to: it is written while the runs are logged, and knows neither the store nor its ids.
_LINKS = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>MLflow</title>
<style>
  body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }}
  pre {{ white-space: pre-wrap }}
  :target {{ outline: 2px solid; outline-offset: 2px }}
</style>
<main>
<h1>MLflow</h1>
<pre><code>{serve}</code></pre>
<p>After that, in the lab's folder, each link opens the cells of a study, the lowest loss first.</p>
<p lang="pt">
Depois disso, na pasta do laboratório, cada ligação abre as células de um estudo; a menor perda vem primeiro.
</p>
<ul>
{items}
</ul>
</main>
</html>
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
        The view's name, of letters, digits and hyphens; one that is kept under it already is replaced.
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
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={key}"


def links(serve: str, pages: Mapping[str, str]) -> str:
    """Write the page that the report links to.

    Parameters
    ----------
    serve : str
        What opens MLflow's pages.
    pages : mapping
        Each study's name, and where its cells are.

    Returns
    -------
    str
        HTML; each link has its study's name as its anchor.
    """
    return _LINKS.format(
        serve=escape(serve),
        items="\n".join('<li><a id="{0}" href="{1}">{0}</a></li>'.format(*map(escape, one)) for one in pages.items()),
    )
