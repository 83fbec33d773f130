"""What the MLflow run of a whole study holds: counts, the lowest loss, and the study's figures."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.lab.config.cell import canonical_json
from pipeline.lab.errors import UserError
from pipeline.track.fingerprint import LAYOUT
from pipeline.track.params import STATUSES


@dataclass(frozen=True)
class Figure:
    """A figure of the study.

    Parameters
    ----------
    title, caption : str
        What it shows.
    path : Path
        The picture.
    """

    title: str
    caption: str
    path: Path


@dataclass(frozen=True)
class StudySummary:
    """The MLflow run of a whole study.

    Parameters
    ----------
    study : str
        Its name.
    metrics : dict
        All finite.
    offline_twin : bool
        Whether the offline twin was trained on.
    figures : tuple of Figure
        In the order of the report.
    """

    study: str
    metrics: dict[str, float]
    offline_twin: bool
    figures: tuple[Figure, ...]

    @property
    def name(self) -> str:
        """What the run is called."""
        return f"study {self.study}"

    @cached_property
    def content_hash(self) -> str:
        """Changes when anything does that the run shows."""
        digest = hashlib.sha256(canonical_json([LAYOUT, self.metrics, self.offline_twin, self._note]).encode())
        for figure in self.figures:
            digest.update(figure.path.read_bytes())
        return digest.hexdigest()

    @property
    def tags(self) -> dict[str, str]:
        """Texts; MLflow shows the note as the run's description."""
        tags = {"kind": "summary", "study": self.study, "content_hash": self.content_hash}
        tags |= {"offline_twin": "true"} if self.offline_twin else {}
        return tags | {"mlflow.note.content": self._note}

    @property
    def _note(self) -> str:
        captions = [f"**{figure.title}** (`figures/{figure.path.name}`): {figure.caption}" for figure in self.figures]
        return "\n\n".join([f"The study `{self.study}` as a whole; its figures are under *Artifacts*.", *captions])


def summarize(runs: pd.DataFrame, figures: Sequence[Figure] = ()) -> StudySummary:
    """Summarize a study.

    Parameters
    ----------
    runs : DataFrame
        The study's table; see :data:`pipeline.lab.tables.RUNS`.
    figures : sequence of Figure
        The study's.
    """
    metrics = {"cells": float(runs["cell_id"].nunique()), "runs": float(len(runs))}
    metrics |= {f"runs_{status}": float((runs["status"] == status).sum()) for status in STATUSES}
    # A cell's loss is its median over the seeds, in which a diverged one is infinite; a failed one has none.
    losses = runs["final_loss"].astype("float64").mask(runs["status"] == "diverged", np.inf)
    lowest = float(losses.groupby(runs["cell_id"]).median().min())
    if np.isfinite(lowest):
        metrics["lowest_final_loss"] = lowest
    return StudySummary(
        study=str(runs["study"].iloc[0]),
        metrics=metrics,
        offline_twin=bool(runs["data"].astype(str).str.endswith("_twin").any()),
        figures=tuple(figures),
    )


def figures_of(study: str, captions: Path) -> list[Figure]:
    """Look up the figures that were drawn of a study.

    Parameters
    ----------
    study : str
        Its name.
    captions : Path
        The file ``captions.json`` that the figures' stage writes beside them.

    Raises
    ------
    UserError
        If the file cannot be read.
    """
    try:
        drawn: list[Mapping[str, Any]] = json.loads(captions.read_text(encoding="utf-8"))
        mine = [entry for entry in drawn if entry["study"] == study]
        return [Figure(entry["title"], entry["caption"], captions.parent / entry["png"]) for entry in mine]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{captions} is not a list of captions: {error}") from None
