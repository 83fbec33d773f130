"""The texts of a cell's MLflow run: its name, parameters and tags."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.lab.config.cell import NOT_IDENTITY_OF_DATA, canonical_json, examples_in, taxonomy, updates
from pipeline.lab.errors import UserError
from pipeline.track.fingerprint import Columns

#: MLflow's limits for one batch and for the texts in it.
MAX_PARAMS = 100
MAX_PARAM = 6000

STATUSES = ("ok", "diverged", "error")
_COLUMNS = (
    "data",
    "model",
    "implementation",
    "optimizer",
    "schedule",
    "sampling",
    "batch_size",
    "lr",
    "epochs",
    "engine",
)
#: What a run's name leaves unsaid.
_USUAL = {
    "implementation": "scratch",
    "schedule": "constant",
    "sampling": "without_replacement",
    "model": "linear",
}


def config_of(cell_id: str, text: str) -> dict[str, Any]:
    """Read a cell's configuration from the table.

    Raises
    ------
    UserError
        If it is not a JSON object.
    """
    try:
        config = json.loads(text)
    except ValueError as error:
        raise UserError(f"cell {cell_id}: its config is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise UserError(f"cell {cell_id}: its config is not a JSON object")
    return config


def name_of(cell: Columns, config: Mapping[str, Any]) -> str:
    """Name a run as people look for it: its label, or what tells it from its neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> cell = {"optimizer": ["adam"], "batch_size": [32.0], "lr": [0.01176], "implementation": ["torch"]}
    >>> cell |= {"schedule": ["constant"], "sampling": ["with_replacement"], "model": ["linear"]}
    >>> name_of(cell, {})
    'adam b=32 lr=0.01176 torch with_replacement'
    """
    label = str(config.get("label") or "")
    if label:
        return label
    name = f"{cell['optimizer'][0]} b={int(cell['batch_size'][0])} lr={float(cell['lr'][0]):.6g}"
    return " ".join([name, *(str(cell[key][0]) for key, usual in _USUAL.items() if cell[key][0] != usual)])


def params_of(cell: Columns, config: Mapping[str, Any]) -> dict[str, str]:
    """Flatten the configuration; the table's columns say what was run, whatever was asked for."""
    params: dict[str, Any] = {name: cell[name][0] for name in _COLUMNS}
    params |= {name: int(cell[name][0]) for name in ("batch_size", "epochs")}
    params |= {"lr": float(cell["lr"][0]), "seeds": len(cell["seed"])}
    for group, fields in config.items():
        if isinstance(fields, Mapping):
            params |= _flat(group, _group_fields(group, fields, params["implementation"]))
        elif group != "label":
            params.setdefault(group, fields)
    texts = {key: value if isinstance(value, str) else canonical_json(value) for key, value in params.items()}
    return {key: text[:MAX_PARAM] for key, text in list(texts.items())[:MAX_PARAMS]}


def _group_fields(group: str, fields: Mapping[str, Any], implementation: str) -> dict[str, Any]:
    """The fields of a group that change a number, besides its name."""
    if group == "optimizer":  # each implementation reads its own half of an optimizer's file
        half = dict(fields.get("hyperparams" if implementation == "scratch" else "torch") or {})
        return {"class" if key == "_target_" else key: value for key, value in half.items()}
    left_out = {"name", "_target_"} | (NOT_IDENTITY_OF_DATA if group == "data" else frozenset())
    return {key: value for key, value in fields.items() if key not in left_out}


def _flat(prefix: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        flat |= _flat(f"{prefix}.{key}", value) if isinstance(value, Mapping) else {f"{prefix}.{key}": value}
    return flat


def tags_of(cell: Columns, config: Mapping[str, Any]) -> dict[str, str]:
    """Say which cell this is, how its runs ended, and what the textbooks call its batch size."""
    tags = {"kind": "cell"}
    tags |= {name: str(cell[name][0]) for name in ("study", "cell_id", "data", "optimizer", "implementation", "engine")}
    counts = {status: int((cell["status"] == status).sum()) for status in STATUSES}
    present = [status for status, count in counts.items() if count]
    tags["status"] = present[0] if len(present) == 1 else "mixed"
    tags |= {f"status.{status}": str(count) for status, count in counts.items()}
    if tags["data"].endswith("_twin"):
        tags["offline_twin"] = "true"
    examples, batch_size = examples_in(config), int(cell["batch_size"][0])
    if examples is not None:
        tags["taxonomy"] = taxonomy(batch_size, examples)
        tags["updates"] = str(updates(examples, batch_size, int(cell["epochs"][0])))
    return tags
