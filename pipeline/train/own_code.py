"""Models and optimizers that a command line names by their files: Hydra finds them as it finds a file of the group."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore

from pipeline.parts import own, own_config

#: A file or module and what is in it.
_REFERENCE = re.compile(r"[^\s,=()\[\]{}'\":]+:[A-Za-z_]\w*")


def with_own_code(overrides: Sequence[str]) -> dict[str, str]:
    """The overrides as Hydra can read them, once the models and optimizers that they name by their files are known."""
    found = {text: allow_own(text) for text in overrides}
    models = [one for text in overrides if _kind(text) == "model" for one in _REFERENCE.findall(text)]
    if any(own_config.signature(one)[1] for one in models):
        found |= {text: f"++{text}" for text in overrides if text.startswith("model.")}  # its factory takes any key
    return found


def _kind(override: str) -> str:
    return override.lstrip("+").partition("=")[0].partition("@")[0]


def allow_own(text: str, within: Path | None = None) -> str:
    """Let a model or optimizer be used that is named by its file or module; Hydra finds it as a file of its group.

    Parameters
    ----------
    text : str
        An override.
    within : Path, optional
        The folder of the configuration file that says so.

    Returns
    -------
    str
        The override as Hydra can read it.
    """
    kind = _kind(text)
    if kind not in own.KINDS or ":" not in text:
        return text
    for given in dict.fromkeys(_REFERENCE.findall(text.partition("=")[2])):
        reference = own.allow(kind, given, within)
        place, _, name = reference.rpartition(":")
        if within is None and place.startswith(("/", "~")):
            # Hydra would take it for a path in its own folders.
            shown = f"{os.path.relpath(Path(place).expanduser())}:{name}"  # noqa: PTH109 -- it may go up
            text, reference = text.replace(given, shown), own.allow(kind, shown)
        group, _, last = (given if within is not None else reference).rpartition("/")
        store = ConfigStore.instance()
        store.store(
            group=f"{kind}/{group}".rstrip("/"), name=last, node=own_config.values(kind, reference), package=kind
        )
    return text
