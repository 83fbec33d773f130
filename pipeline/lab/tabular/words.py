"""What was done to a table, in words."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.lab.tabular.columns import Columns
from pipeline.lab.tabular.source import Source


def description(
    source: Source,
    columns: Columns,
    train: NDArray[np.int64],
    held_out: NDArray[np.int64],
    without_target: int,
    features: Sequence[str],
    task: str,
    classes: Sequence[str],
    split: str,
    scale: str,
    frame: pd.DataFrame,
) -> str:
    """Say what was done to a table, in a short paragraph."""
    used = frame[[*columns.numbers, *columns.categories]]
    gaps = {str(name): int(n) for name, n in used.isna().sum().items() if n}
    parts = [f"{source.where} ({'; '.join(source.notes)}): {len(frame):,} rows"]
    if without_target:
        parts[0] += f", {without_target:,} of them without a target and left out"
    if columns.numbers:
        parts.append(f"{len(columns.numbers)} column{'s' * (len(columns.numbers) > 1)} of numbers")
    if columns.categories:
        parts.append(f"one-hot encoded, the first level as the base: {listed(columns.categories)}")
    if gaps:
        shown = listed([f"{name} ({n:,})" for name, n in gaps.items()])
        parts.append(f"gaps filled with the median or the most frequent level: {shown}")
    if columns.dropped:
        parts.append(f"left out: {listed([f'{name} ({why})' for name, why in columns.dropped.items()])}")
    kind = f"{task} of {listed(list(classes))}" if classes else f"{task}, {scale}"
    unknown = sum(
        int((~frame[name].iloc[held_out].dropna().isin(frame[name].iloc[train].dropna().unique())).sum())
        for name in columns.categories
    )
    if unknown:
        parts.append(f"{unknown:,} values held out are of levels unknown in training, and count as the first level")
    parts.append(f"{len(features)} feature{'s' * (len(features) > 1)}; task {kind}")
    parts.append(f"{len(train):,} rows to train on, {len(held_out):,} held out ({split})")
    return "; ".join(parts) + "."


def listed(names: Sequence[str], most: int = 12) -> str:
    """Join names, the first ones of many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
