"""What a comparison returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline.lab import checks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pipeline.analysis.study import AnalysedStudy
    from pipeline.figures.registry import FigureEntry
    from pipeline.lab.dataset import Dataset
    from pipeline.lab.results import CellResults
    from pipeline.parts.base import DataConfig


@dataclass(frozen=True)
class Answer:
    """Which batch size and learning rate.

    Attributes
    ----------
    text : str
        The answer in words and tables, with the calls that train the best cells again.
    frame : DataFrame
        A row for each optimizer and measure: ``optimizer``, ``measure``, ``batch_size``, ``lr``, ``median``, ``low``,
        ``high`` (its 95 % interval), ``runner_up_batch_size``, ``runner_up_lr``, ``ranked`` (whether the seeds are
        enough to tell the two apart) and ``cell_id``.
    """

    text: str
    frame: "pd.DataFrame" = field(repr=False)

    def __str__(self) -> str:
        """The text."""
        return self.text

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(self.text)}</pre>"


@dataclass(frozen=True, eq=False)
class Comparison:
    """The runs of a comparison.

    Attributes
    ----------
    runs : DataFrame
        One row per run: its cell, seed, status, losses; see :data:`pipeline.lab.tables.RUNS`.
    curves : DataFrame
        One row per reading of the loss; see :data:`pipeline.lab.tables.CURVES`.
    words : mapping
        Titles for people, as of ``study.json``.
    dataset : Dataset
        What was trained on, as it was prepared.
    data : DataConfig
        Its configuration.
    said : mapping
        Arguments of the call that are the same for all cells.
    folder : Path, optional
        Of a study: where its data lie. ``dataset`` and ``data`` are those of its first cell.
    """

    runs: "pd.DataFrame"
    curves: "pd.DataFrame"
    words: Mapping[str, Any] = field(repr=False)
    dataset: "Dataset" = field(repr=False)
    data: "DataConfig" = field(repr=False)
    said: Mapping[str, Any] = field(repr=False, default_factory=dict)
    folder: Path | None = field(repr=False, default=None)

    @cached_property
    def study(self) -> "AnalysedStudy":
        """The same as the lab's other stages read it."""
        from dataclasses import replace

        from pipeline.analysis.seconds import step_costs_of_runs
        from pipeline.analysis.study import AnalysedStudy

        study = AnalysedStudy.judged(self.runs, self.curves, self.words, data_dir=self.folder)
        return replace(study, costs=step_costs_of_runs([study]))

    @property
    def optimizers(self) -> list[str]:
        """The names of the optimizers, in the order given."""
        return [str(one) for one in self.runs["optimizer"].unique()]

    def advise(self, optimizer: str | None = None, target: float | None = None) -> Answer:
        """Say which batch size and learning rate to use, on each clock.

        Parameters
        ----------
        optimizer : str, optional
            One of :attr:`optimizers`; all by default.
        target : float, optional
            The loss to reach; by default the best median final loss of the first optimizer plus 1 %.

        Returns
        -------
        Answer

        Raises
        ------
        UserError
            If there is no such optimizer.
        """
        import pandas as pd

        from pipeline.analysis.advise import advise, report
        from pipeline.analysis.sweep import Sweep

        if optimizer is not None:
            checks.one_of("optimizer", optimizer, self.optimizers)
        names = self.optimizers if optimizer is None else [optimizer]
        rows = []
        for part in self.study.split().values():
            sweep = Sweep(part, self.study.costs)
            series = sweep.grid.cells.loc[sweep.grid.cells["rule"].isin(names), "optimizer"].unique()
            for one in [one for name in series for one in advise(sweep, name, target)]:
                best, other = one.best, one.runner_up
                rows.append(
                    {
                        "optimizer": self.study.series[best.cell.id],
                        "measure": one.measure,
                        "batch_size": best.cell.batch_size,
                        "lr": best.cell.lr,
                        "median": best.value,
                        "low": best.low,
                        "high": best.high,
                        "runner_up_batch_size": other.cell.batch_size if other else pd.NA,
                        "runner_up_lr": other.cell.lr if other else float("nan"),
                        "ranked": one.comparison is not None and one.comparison.low > 0.5,
                        "cell_id": best.cell.id,
                    }
                )
        return Answer(
            "\n\n".join(report(self.study, name, target, self.study.costs, again=self.call) for name in names),
            pd.DataFrame(rows),
        )

    def call(self, cell: "CellResults") -> str:
        """The call that trains a cell again, or the command where it is one of a study.

        With the same arrays it gives the same losses, to the last bit.
        """
        from pipeline.analysis.advise import command
        from pipeline.lab.command import overrides_of
        from pipeline.lab.config.compose import parse_overrides
        from pipeline.parts.own import is_kept, is_reference, short

        if self.folder:
            return command(cell)
        config = cell.config
        model = str(config["model"]["name"])
        common = parse_overrides(overrides_of(config, self.data))
        given: dict[str, Any] = {
            "optimizers": config["optimizer"]["name"],
            "batch_sizes": cell.batch_size,
            "learning_rates": cell.lr,
            "epochs": config["epochs"],
            "seeds": int(cell.runs["seed"].max()) + 1,
        }
        if (engine := str(cell.runs["engine"].iloc[0])) != "stacked":
            given["engine"] = engine
        elif config.get("stack"):  # beside so many others: of another width, sums round otherwise
            common = {**common, "stack": config["stack"]}
        rest = {
            key: value
            for key, value in common.items()
            if key not in ("model", "optimizer", "batch_size", "lr", "epochs", "implementation")
        }
        if config["implementation"] != "scratch" and not is_reference(config["optimizer"]["name"]):
            rest["implementation"] = config["implementation"]
        given |= {"common": rest} if rest else {}
        words = "".join(f", {key}={value!r}" for key, value in (given | dict(self.said)).items())
        arrays = "X, y" + ", X_val=X_val, y_val=y_val" * (self.dataset.held_out is not None)
        return f"pipeline.compare({short(model) if is_kept(model) else repr(model)}, {arrays}{words})"

    def plot(self, figure: str | None = None) -> "Figure":
        """Draw a figure of the comparison.

        Parameters
        ----------
        figure : str, optional
            One of :attr:`figures`; the first by default.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        UserError
            If there is no such figure.
        """
        if figure is not None:
            checks.one_of("figure", figure, self._entries)
        return self._entries[figure or next(iter(self._entries))].draw(self.study)

    @property
    def figures(self) -> list[str]:
        """The names of the figures that can be drawn."""
        return list(self._entries)

    @cached_property
    def _entries(self) -> "dict[str, FigureEntry]":
        """Those of the study's kind; the curves of an exercise, too, which a part of any study may look like."""
        from pipeline.figures.registry import registered

        return {
            entry.name: entry
            for entry in registered()
            if entry.kind in {"exercise": ("curves", "exercise")}.get(self.study.kind, (self.study.kind,))
            and entry.fits(self.study)
        }

    def report(self, path: str | Path) -> Path:
        """Write the report: one HTML page that opens without a network.

        Parameters
        ----------
        path : str or Path
            Where to.

        Returns
        -------
        Path
            The same.
        """
        from pipeline.figures.__main__ import draw_all
        from pipeline.lab.files import write_whole
        from pipeline.report.assets import read_figures
        from pipeline.report.page import render

        with TemporaryDirectory() as folder:
            draw_all([self.study], Path(folder))
            page = render([self.study], read_figures(Path(folder)))
        path = Path(path)
        write_whole(path, page)
        return path
