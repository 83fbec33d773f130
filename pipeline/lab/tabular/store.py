"""Write a prepared table where theory and measurements read tables."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lab.files import written_whole
from pipeline.lab.tabular.prepare import Prepared


def write_prepared(table: Prepared, provenance: Mapping[str, Any], out: Path) -> None:
    """Write a Parquet file as :func:`pipeline.lab.dataset.load_dataset` reads it.

    Parameters
    ----------
    table : Prepared
        The rows to train on come first, then those held out.
    provenance : mapping
        Where the data come from.
    out : Path
        The file.
    """
    X, y = table.X, table.y
    if table.X_held_out is not None and table.y_held_out is not None:
        X, y = np.concatenate([X, table.X_held_out]), np.concatenate([y, table.y_held_out])
    columns = [*(pa.array(column) for column in X.T), pa.array(y)]
    metadata = {b"provenance": json.dumps(dict(provenance)).encode(), b"classes": json.dumps(table.classes).encode()}
    with written_whole(out) as temporary:
        pq.write_table(pa.table(columns, names=list(table.columns), metadata=metadata), temporary)
