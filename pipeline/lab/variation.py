"""Words for what a study varies."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.lab.config.cell import NOT_IDENTITY, NOT_IDENTITY_OF_DATA, NOT_IDENTITY_OF_OPTIMIZER


def told_apart(configs: Sequence[Mapping[str, Any]], free: Sequence[str] = ()) -> list[str]:
    """Say what tells configurations apart, batch size and learning rate left aside.

    Parameters
    ----------
    configs : sequence of mapping
        Effective configurations.
    free : sequence of str
        Other keys to leave aside.

    Returns
    -------
    list of str
        For each configuration the values that others do not share, such as ``mlp, epochs 4``; equal texts for equal
        configurations, and empty ones where all are equal.
    """
    left_aside = {*NOT_IDENTITY, "label", "batch_size", "lr", *free}
    leaves = [
        {key: value for key, value in _leaves(config) if key.split(".")[0] not in left_aside} for config in configs
    ]
    keys = dict.fromkeys(key for own in leaves for key in own)
    varied = [key for key in keys if len({repr(own.get(key)) for own in leaves}) > 1]
    names = {key.split(".")[0] for key in varied if key.endswith(".name")}
    texts: dict[tuple[str, ...], str] = {}
    for own in leaves:
        values = tuple(repr(own.get(key)) for key in varied)
        if values not in texts:
            # What goes with a name needs no word of its own, unless configurations of that name differ in it.
            needed = [key for key in varied if _needed(key, own, leaves, names)]
            texts[values] = ", ".join(_word(key, own[key]) for key in needed if key in own)
    return [texts[tuple(repr(own.get(key)) for key in varied)] for own in leaves]


def _leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of a configuration that change a number."""
    unread = "torch" if config.get("implementation") == "scratch" else "hyperparams"
    skipped = {"data.": NOT_IDENTITY_OF_DATA, "optimizer.": NOT_IDENTITY_OF_OPTIMIZER}.get(prefix, frozenset())
    for key, value in config.items():
        if isinstance(value, Mapping) and prefix + key != "optimizer":
            yield from _leaves(value, f"{prefix}{key}.")
        elif isinstance(value, Mapping):
            yield from _leaves({name: item for name, item in value.items() if name != unread}, "optimizer.")
        elif key not in skipped and key != "_target_":
            yield prefix + key, value


def _needed(key: str, own: Mapping[str, Any], leaves: Sequence[Mapping[str, Any]], names: set[str]) -> bool:
    """Whether a key tells a configuration from those whose names in the same group are the same."""
    group = key.split(".")[0]
    if key.endswith(".name") or (group not in names and group != "optimizer"):
        return True
    decisive = [f"{group}.name", *(["implementation"] if group == "optimizer" else [])]
    alike = [other for other in leaves if all(other.get(name) == own.get(name) for name in decisive)]
    return len({repr(other.get(key)) for other in alike}) > 1


def _word(key: str, value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{key.rsplit('.', 1)[-1]} {value}"
