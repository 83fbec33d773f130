"""A cell: one configuration, and what makes it itself."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.lab.config.schema import CellConfig
from pipeline.lab.urls import shown
from pipeline.parts.own import short

#: The identity contract. A cell is the same cell whatever these say: they choose how many
#: replicates are run, by which engine and where, or where the same bytes come from. Every
#: other field changes a number and so makes another cell.
NOT_IDENTITY = frozenset({"seeds", "first_seed", "engine", "stack", "trainer"})
NOT_IDENTITY_OF_DATA = frozenset(
    {"title", "credit", "licence", "sources", "columns", "on_unreachable", "timeout", "retries", "max_bytes"}
)
#: Of a table of one's own: where it lies, and how rows are held out in other words than those of ``split``.
NOT_IDENTITY_OF_FILE = frozenset({"path", "validation", "split_seed", "table"})
NOT_IDENTITY_OF_OPTIMIZER = frozenset({"lr_range"})
#: Version of ``study.json``.
WORDS_VERSION = 1


@dataclass(frozen=True)
class Cell:
    """One configuration of data, model, optimizer, batch size, learning rate and so on.

    Parameters
    ----------
    config : CellConfig
        The effective configuration.
    study : str
        The study the cell belongs to.
    label : str
        A name for people, ``gd`` say. Not part of the identity.
    """

    config: CellConfig
    study: str = "adhoc"
    label: str = ""

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Every field that changes a number, and none that does not."""
        return identity_of(dataclasses.asdict(self.config))

    @cached_property
    def id(self) -> str:
        """A readable beginning and ten hexadecimal digits of the identity's SHA-256.

        Safe in paths (``lr`` 0.05 is written ``0p05``) and never read back: cells are looked up.
        """
        return id_of(self.identity)

    @cached_property
    def config_json(self) -> str:
        """The effective configuration and the label, as JSON with sorted keys; no URL's password is in it."""
        config = dataclasses.asdict(self.config)
        if "sources" in config["data"]:
            config["data"]["sources"] = [shown(source) for source in config["data"]["sources"]]
        return canonical_json({**config, "label": self.label})

    @property
    def steps_per_epoch(self) -> int:
        """Updates in one pass over the data, ``ceil(N / b)``."""
        return updates(self.config.data.examples, self.config.batch_size, epochs=1)

    @property
    def steps(self) -> int:
        """Updates in the whole run, ``epochs * ceil(N / b)``."""
        return self.config.epochs * self.steps_per_epoch

    @property
    def taxonomy(self) -> str:
        """``full-batch``, ``stochastic`` or ``mini-batch``; see :func:`taxonomy`."""
        return taxonomy(self.config.batch_size, self.config.data.examples)

    @property
    def name(self) -> str:
        """The label, or the id of a cell that has none."""
        return self.label or self.id


def identity_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every field of an effective configuration that changes a number, and none that does not."""
    identity = {key: value for key, value in config.items() if key not in NOT_IDENTITY}
    left_out = NOT_IDENTITY_OF_DATA | (NOT_IDENTITY_OF_FILE if config["data"].get("reader") == "file" else set())
    identity["data"] = {key: value for key, value in config["data"].items() if key not in left_out}
    identity["model"] = dict(config["model"])
    # Each implementation reads its own half of an optimizer's file.
    unread = "torch" if config["implementation"] == "scratch" else "hyperparams"
    left_out = NOT_IDENTITY_OF_OPTIMIZER | {unread}
    optimizer = {key: value for key, value in config["optimizer"].items() if key not in left_out}
    identity["optimizer"] = optimizer
    if "torch" in optimizer:
        optimizer["torch"] = dict(optimizer["torch"] or {})
    # Of a file of the user's what is in it counts, its ``code``, and not where it lies.
    for part in (identity["model"], optimizer, optimizer.get("torch", {})):
        part.update({key: short(part[key]) for key in ("name", "_target_") if key in part})
    return identity


def id_of(identity: Mapping[str, Any]) -> str:
    """The id of the cell of an identity; see :attr:`Cell.id`."""
    digest = hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:10]
    name, batch_size, lr = identity["optimizer"]["name"], identity["batch_size"], identity["lr"]
    return f"{name}-b{batch_size}-lr{slug(lr)}-{digest}"


def taxonomy(batch_size: int, examples: int) -> str:
    """The textbooks' name for a batch size.

    Parameters
    ----------
    batch_size : int
        Examples in a minibatch, from 1 to ``examples``.
    examples : int
        Training examples, ``N``.

    Returns
    -------
    str
        ``full-batch`` where a minibatch is all examples, ``stochastic`` where it is one, else ``mini-batch``.
        One of one is full-batch: its gradient is exact, and nothing about it is random.

    Examples
    --------
    >>> taxonomy(1500, 1500), taxonomy(1, 1500), taxonomy(10, 1500), taxonomy(1, 1)
    ('full-batch', 'stochastic', 'mini-batch', 'full-batch')
    """
    return "full-batch" if batch_size >= examples else "stochastic" if batch_size == 1 else "mini-batch"


def updates(examples: int, batch_size: int, epochs: int) -> int:
    """Updates in a run, ``epochs * ceil(N / b)``.

    Examples
    --------
    >>> updates(1500, 100, epochs=2), updates(1500, 7, epochs=1)
    (30, 215)
    """
    return epochs * math.ceil(examples / batch_size)


def examples_in(config: Mapping[str, Any]) -> int | None:
    """Training examples, ``N``, of a configuration that was read back from :attr:`Cell.config_json`.

    Returns
    -------
    int or None
        None where the configuration does not say.
    """
    data = config.get("data")
    if not isinstance(data, Mapping) or "rows" not in data:
        return None
    return int(data["rows"]) * int(data.get("copies", 1))


def canonical_json(value: Any) -> str:
    """JSON that is the same text for the same content.

    Examples
    --------
    >>> canonical_json({"lr": 0.05, "b": 10})
    '{"b":10,"lr":0.05}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def slug(value: float) -> str:
    """Write a number so that it can stand in a file's name.

    Examples
    --------
    >>> slug(0.05), slug(1e-05), slug(1.0)
    ('0p05', '1em05', '1')
    """
    return f"{value:.6g}".replace(".", "p").replace("-", "m").replace("+", "")
