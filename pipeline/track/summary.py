"""The content of a whole study's MLflow run: counts, the lowest loss, and the study's figures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.lab.errors import UserError
from pipeline.lab.results import StudyResults
from pipeline.track.metrics import Reading
from pipeline.track.record import STATUSES, Figure, Record


def summary_record(folder: Path, captions: Path) -> Record:
    """Summarize a study.

    Parameters
    ----------
    folder : Path
        With the study's tables.
    captions : Path
        The file ``captions.json`` that the figures' stage writes beside the figures.

    Raises
    ------
    UserError
        If a file cannot be read, or the study has no runs.
    """
    study = StudyResults.read(folder)
    counts = {"cells": study.runs["cell_id"].nunique(), "runs": len(study.runs)}
    counts |= {f"runs_{status}": int((study.runs["status"] == status).sum()) for status in STATUSES}
    metrics = [Reading(key, float(count), 0, 0.0) for key, count in counts.items()]
    # A cell's loss is its median over the seeds, in which a diverged one is infinite; a failed one has none.
    losses = study.runs["final_loss"].astype("float64").mask(study.runs["status"] == "diverged", float("inf"))
    lowest = float(losses.groupby(study.runs["cell_id"]).median().min())
    if lowest < float("inf"):
        metrics.append(Reading("lowest_final_loss", lowest, 0, 0.0))
    figures = _figures(study.name, captions)
    shown = [f"**{figure.title}** (`figures/{figure.path.name}`): {figure.caption}" for figure in figures]
    note = "\n\n".join([f"The study `{study.name}` as a whole; its figures are under *Artifacts*.", *shown])
    tags = {"kind": "summary", "study": study.name, "mlflow.note.content": note}
    if study.offline_twin:
        tags["offline_twin"] = "true"
    return Record("", f"study {study.name}", {}, tags, metrics, figures=figures)


def _figures(study: str, captions: Path) -> tuple[Figure, ...]:
    try:
        drawn: list[Mapping[str, Any]] = json.loads(captions.read_text(encoding="utf-8"))
        mine = [entry for entry in drawn if entry["study"] == study]
        return tuple(Figure(entry["title"], entry["caption"], captions.parent / entry["png"]) for entry in mine)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{captions} is not a list of captions: {error}") from None
