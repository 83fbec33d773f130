"""Try the sources in order, and write the table with its provenance."""

import hashlib
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.fetch.source import SourceError, read_source
from pipeline.fetch.twin import AIRFOIL, ROWS, ROWS_TOTAL, twin_bytes
from pipeline.lab.errors import UserError
from pipeline.lab.files import written_whole
from pipeline.lab.settings import airfoil_data
from pipeline.lab.urls import shown
from pipeline.parts.base import TWIN_NAME
from pipeline.parts.data.table import Config as TableConfig

#: Environment variable that names a copy of the data. It is used or refused, never skipped.
USER_SOURCE = "AIRFOIL_DATA"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Found:
    """A table's bytes, their source (None: generated), and why the sources before it failed."""

    content: bytes
    source: str | None
    failures: list[str]


def fetch(config: TableConfig, out_dir: Path, progress: bool = True) -> Path:
    """Fetch a data set from the first of its sources that can be used.

    Writes ``{name}.dat``, the table, and ``{name}.json``, its provenance: ``name``, ``title``, ``credit``,
    ``licence``, ``source``, ``sha1`` (of the bytes written), ``offline_twin`` and ``failed_sources``, a line
    each. Both are written whole or not at all.

    Parameters
    ----------
    config : TableConfig
        What to fetch and from where.
    out_dir : Path
        The folder to write to, made if need be.
    progress : bool
        Show a progress bar while downloading, if stderr is a terminal.

    Returns
    -------
    Path
        The table.

    Raises
    ------
    UserError
        If the source in ``AIRFOIL_DATA`` cannot be used; or if none can and the twin is forbidden or
        unknown; or if the files cannot be written.
    """
    path = out_dir / f"{config.name}.dat"
    found = _found(config, path, progress)
    with written_whole(path) as table, written_whole(path.with_suffix(".json")) as provenance:
        table.write_bytes(found.content)
        provenance.write_text(json.dumps(_provenance(config, found), indent=2) + "\n", encoding="utf-8")
    return path


def _found(config: TableConfig, path: Path, progress: bool) -> _Found:
    """Try the sources in order, and fall back on the twin."""
    failures: list[str] = []
    for source in (entry.strip() for entry in config.sources):
        if not source:
            continue
        try:
            content = read_source(source, config, progress)
        except SourceError as error:
            if source == airfoil_data():
                raise UserError(f"{USER_SOURCE}={shown(source)} cannot be used: {error}") from None
            failures.append(f"{shown(source)}: {error}")
            log.warning("%s cannot be used: %s", shown(source), error)
        else:
            return _Found(content, source, failures)
    _allow_twin(config, failures)
    if config.sources:
        print(_warning(config, path, failures), file=sys.stderr)
    else:
        log.info("%s: no source is named, so the offline twin of the airfoil data is generated", config.name)
    return _Found(twin_bytes(), None, failures)


def _allow_twin(config: TableConfig, failures: list[str]) -> None:
    """Refuse the twin where it is forbidden, and where the table is not the one it is the twin of."""
    reasons = "; ".join(failures) or "none is named"
    if config.on_unreachable == "fail":
        raise UserError(
            f"no source of {config.name} can be used and data.on_unreachable=fail forbids the offline twin ({reasons})"
        )
    if (config.rows_total, len(config.columns)) != (ROWS_TOTAL, len(AIRFOIL.mean)):
        raise UserError(
            f"no source of {config.name} can be used ({reasons}), and it has no offline twin: only the airfoil data,"
            f" data.rows_total={ROWS_TOTAL} with {len(AIRFOIL.mean)} columns, has one"
        )


def _warning(config: TableConfig, path: Path, failures: list[str]) -> str:
    """The offline-twin warning banner."""
    rim = "*" * 100
    why = "\n".join(f"  - {line}" for line in failures) or "  - no source is named"
    return f"""
{rim}
WARNING: OFFLINE TWIN. The data of {config.name} could not be fetched:
{why}
A generated table stands in for them. Its first {ROWS} rows have the mean and the covariance of the real
ones, so a linear model trains as on the real data; nothing else about it is real, and all that is made
from it says "offline twin". To use the real data, set {USER_SOURCE} to a copy of the file or get online,
delete {path} and run again. To forbid the twin: data.on_unreachable=fail.
{rim}
"""


def _provenance(config: TableConfig, found: _Found) -> dict[str, object]:
    twin = found.source is None
    return {
        "name": TWIN_NAME if twin else config.name,
        "title": f"{config.title} (offline twin)" if twin else config.title,
        "credit": config.credit,
        "licence": config.licence,
        "source": "generated: offline twin" if found.source is None else shown(found.source),
        "sha1": hashlib.sha1(found.content, usedforsecurity=False).hexdigest(),
        "offline_twin": twin,
        "failed_sources": found.failures,
    }
