"""The data set that a cell was trained on, as MLflow shows it."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.lab.config.cell import examples_in
from pipeline.track.fingerprint import Columns

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

#: MLflow's limit.
MAX_DIGEST = 36


class DataRecord(NamedTuple):
    """The data set, as MLflow shows it: ``digest`` is the beginning of the file's SHA-1."""

    name: str
    digest: str
    source: str
    title: str
    columns: tuple[str, ...]
    examples: int | None


def data_of(
    cell: Columns, config: Mapping[str, Any], provenance: Sequence[Mapping[str, Any]] = ()
) -> DataRecord | None:
    """Find out the data set that a cell was trained on, from its provenance, else from the configuration.

    Parameters
    ----------
    cell : dict
        The cell's columns.
    config : mapping
        The cell's configuration.
    provenance : sequence of mapping, optional
        Of the data sets that were fetched or generated: ``name``, ``source``, ``sha1``, ``title``.

    Returns
    -------
    DataRecord or None
        None where the hash of its bytes is not known.
    """
    name = str(cell["data"][0])
    configured = config.get("data") if isinstance(config.get("data"), Mapping) else {}
    assert isinstance(configured, Mapping)
    # Where the offline twin stood in for what was asked for, the configured hash is not of its bytes.
    known = configured if configured.get("name") == name else {}
    found: Mapping[str, Any] = next((entry for entry in provenance if entry.get("name") == name), {})
    sha1 = found.get("sha1") or known.get("sha1")
    if not sha1:
        return None
    sources = [source for source in known.get("sources") or [] if source]
    return DataRecord(
        name=name,
        digest=str(sha1)[:MAX_DIGEST],
        source=str(found.get("source") or (sources[0] if sources else "generated")),
        title=str(found.get("title") or known.get("title") or name),
        columns=tuple(str(column["name"]) for column in configured.get("columns") or [] if "name" in column),
        examples=examples_in(config),
    )


def dataset_input(data: DataRecord) -> "DatasetInput":
    """Make MLflow's entity of it; the schema and the number of rows are what its pages show."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    remote = "://" in data.source
    columns = [{"type": "double", "name": name, "required": True} for name in data.columns]
    profile = {"title": data.title} | ({} if data.examples is None else {"num_rows": data.examples})
    return DatasetInput(
        dataset=Dataset(
            name=data.name,
            digest=data.digest,
            source_type="http" if remote else "local",
            source=json.dumps({"url" if remote else "uri": data.source}),
            schema=json.dumps({"mlflow_colspec": columns}) if columns else None,
            profile=json.dumps(profile),
        ),
        tags=[InputTag("mlflow.data.context", "training")],
    )
