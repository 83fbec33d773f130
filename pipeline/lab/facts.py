"""Facts about the data of a study, for people and for theory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.lab.errors import MAKE_AGAIN, UserError
from pipeline.parts.base import TWIN_NAME


@dataclass(frozen=True)
class DataFacts:
    """A data set that a study was trained on.

    Parameters
    ----------
    name : str
        As in the table of runs: ``airfoil_twin`` wherever the offline twin was used.
    title, credit, licence, source, sha1 : str
        For people; empty where they are not known. The hash is that of the raw table.
    rows : int
        Rows that were trained on, without copies.
    features : tuple of str
        Names of the features; empty for images.
    target : str
        Name of the target; empty for images.
    whiten : str
        How the table was whitened; empty for images.
    offline_twin : bool
        Whether the generated stand-in was used.
    table : Path or None
        The whitened table; None for images, and where the folder of the data is not known.
    """

    name: str
    title: str
    credit: str
    licence: str
    source: str
    sha1: str
    rows: int
    features: tuple[str, ...]
    target: str
    whiten: str
    offline_twin: bool
    table: Path | None


def facts_of(
    config: Mapping[str, Any],
    used: str,
    words: Mapping[str, Mapping[str, Any]],
    provenance: Mapping[str, Mapping[str, Any]],
    data_dir: Path | None,
) -> DataFacts:
    """Put together what is known of a data set.

    Parameters
    ----------
    config : mapping
        The data's configuration.
    used : str
        Name of the data that training used, which is the twin's where it stood in.
    words : mapping
        Titles, credits and licences of ``study.json``, by the name in the configuration.
    provenance : mapping
        As of :func:`read_provenance`.
    data_dir : Path or None
        The folder of the data.
    """
    configured, twin = str(config.get("name", "")), used == TWIN_NAME
    said = {**config, **words.get(configured, {})}
    origin = provenance.get(configured, {})
    if config.get("reader") == "file":
        origin = {"name": used, "sha1": config.get("sha1"), "source": config.get("path")}
    if origin.get("name") != used:  # fetched anew since, or not there
        origin = {} if twin else {"sha1": config.get("sha1")}
    names = [str(column["name"]) for column in config.get("columns", ())]
    table = f"{configured}-{config['whiten']}.parquet" if config.get("whiten") else ""
    table = str(config.get("table") or table)
    if not names and table and data_dir is not None:
        names = _names(data_dir / table)
    title = str(said.get("title") or configured)
    return DataFacts(
        name=used,
        title=f"{title} (offline twin)" if twin else title,
        credit=str(said.get("credit") or ""),
        licence=str(said.get("licence") or ""),
        source=str(origin.get("source") or ""),
        sha1=str(origin.get("sha1") or ""),
        rows=int(config.get("rows", 0)),
        features=tuple(names[:-1]),
        target=names[-1] if names else "",
        whiten=str(config.get("whiten") or ""),
        offline_twin=twin,
        table=data_dir / table if data_dir and table else None,
    )


@lru_cache(maxsize=64)
def _names(table: Path) -> list[str]:
    """The columns of a prepared table; none where it is not there."""
    import pyarrow.parquet as pq

    try:
        return list(map(str, pq.read_schema(table).names))
    except (OSError, ValueError):
        return []


def read_provenance(data_dir: Path) -> dict[str, dict[str, Any]]:
    """Read what fetching wrote beside each table, by the name in the configuration; other JSON is somebody else's."""
    beside = [path for path in sorted(data_dir.glob("*.json")) if len(list(data_dir.glob(f"{path.stem}[.-]*"))) > 1]
    return {path.stem: json_object(path, MAKE_AGAIN) for path in beside}


def json_object(path: Path, cure: str) -> dict[str, Any]:
    """Read a JSON file.

    Raises
    ------
    UserError
        If it cannot be read or holds no object; the sentence ends with the cure.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): {cure}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} is not a JSON object: {cure}")
    return found
