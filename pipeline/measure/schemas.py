"""Columns of the measurements' tables: a contract, as in :mod:`pipeline.lab.tables`.

In a module of their own, so that reading a table does not import torch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.lab.tables import VERSION

_KINDS = {"text": pa.string(), "whole": pa.int64(), "real": pa.float64(), "flag": pa.bool_()}


def schema_of(**columns: str) -> pa.Schema:
    """Columns in order, each text, whole, real or flag; a kind that ends in ``?`` may have gaps."""
    fields = [pa.field(name, _KINDS[kind.rstrip("?")], nullable=kind.endswith("?")) for name, kind in columns.items()]
    return pa.schema(fields, metadata={"table_version": VERSION})


SCHEMAS = {
    # Seconds are those of one product. Gigaflops are 2 n^3 / t / 1e9; the two other columns are what the source
    # prints, first 2 / t and since 2022 0.03 / t. ``equal``: the result is that of float64 arithmetic, to rounding.
    "vectorisation": schema_of(
        part="text",  # methods, sizes, cold
        method="text",
        columns="whole?",  # of one block
        n="whole",
        threads="whole",
        repeats="whole",
        seconds="real",
        seconds_q25="real",
        seconds_q75="real",
        gigaflops="real",
        printed_2_over_t="real",
        printed_003_over_t="real",
        equal="flag",
    ),
    # One row a number; ``unit`` says what ``value`` (a median, where there are quartiles) counts.
    "memory": schema_of(
        kind="text",  # bandwidth, peak, product, cache, arithmetic
        name="text",
        threads="whole?",
        size_bytes="whole?",
        flops_per_byte="real?",
        value="real?",  # null: this machine does not say
        q25="real?",
        q75="real?",
        unit="text",
        repeats="whole?",
    ),
    # Standard deviations of the whole gradient vector, sqrt(E |g_b - G|^2); ``low`` and ``high``: 95 % of the ratio.
    "gradient_noise": schema_of(
        sampling="text",
        at="text",  # start, minimum
        batch_size="whole",
        minibatches="whole",
        measured="real",
        independent="real",  # sigma_1 b^(-1/2)
        finite="real",  # ... times sqrt((n - b) / (n - 1))
        predicted="real",  # the one that holds for this sampling
        ratio="real?",  # measured / predicted; null where nothing is left to divide by
        low="real?",
        high="real?",
        ratio_to_independent="real",
    ),
    # kind training: the noise scale tr(Sigma) / |G|^2 at a reading of a run. kind steps: steps to a target loss at the
    # best learning rate. kind critical: E_min / S_min of the hyperbola fitted to them. ``value`` is in examples
    # (training, critical) or steps; ``low`` and ``high`` are 95 % bootstrap intervals.
    "noise_scale": schema_of(
        kind="text",
        run="text",
        batch_size="whole?",
        lr="real?",
        examples="whole?",
        loss="real",
        excess="real",
        value="real",
        low="real?",
        high="real?",
        fitted="real?",  # steps: those of the hyperbola
        read_off="real?",  # critical: where the steps themselves are twice those of perfect scaling
        least_steps="real?",
        least_examples="real?",
    ),
    # part: data, forward_backward, update, reading, lightning and setup add up to a fit; step: the first three;
    # whole: a fit measured as one; logging: the tables after it. ``microseconds`` are those of one ``per`` (step,
    # interval, run), the others are amortised over the steps.
    "step_cost": schema_of(
        implementation="text",
        optimizer="text",
        model="text",
        data="text",
        sampling="text",
        batch_size="whole",
        part="text",
        us_per_step="real",
        us_per_step_q25="real",
        us_per_step_q75="real",
        per="text",
        microseconds="real",
        steps="whole",
        repeats="whole",
    ),
    # One row a run of the chapter in one process. ``printed_seconds``: the mean time between evaluations, which the
    # chapter prints as "sec/epoch"; ``seconds_per_epoch``: the true one. Rows with a ``round`` are made afterwards in
    # the first process, in turn, collector off: ``garbage_collection`` then says that one collection was made.
    "epoch_metric": schema_of(
        run="text",
        batch_size="whole",
        lr="real",
        epochs="whole",
        garbage_collection="flag",
        process="whole",
        round="whole?",
        readings="whole",
        printed_seconds="real",
        seconds_per_epoch="real",
        collections="whole",  # of the oldest generation, while the clock ran
        collecting_seconds="real",
        final_loss="real",
    ),
    # Seconds of one epoch. ``to_plain``: over those of the same table and batch size without workers.
    "loading": schema_of(
        data="text",
        batch_size="whole",
        loader="text",  # DataLoader, slices
        workers="whole",
        persistent="flag",
        prefetch="whole?",
        examples="whole",
        repeats="whole",
        seconds="real",
        seconds_q25="real",
        seconds_q75="real",
        first_seconds="real",  # the first epoch, workers' start included
        to_plain="real?",
        training_seconds="real?",  # the same epoch with an SGD step a minibatch
        load_share="real?",  # of its seconds, those spent waiting for minibatches; the median over epochs
        load_share_q25="real?",
        load_share_q75="real?",
    ),
    # Opt-in, made by pipeline.contrib.frameworks. One row a product or run, framework and mode; and one for each
    # environment or script that failed. Seconds are those of a whole product or run; gigaflops are 2 n^3 / t / 1e9.
    "frameworks": schema_of(
        framework="text",
        version="text",
        kind="text",  # product, scratch, concise; environment, script: what failed
        name="text",
        mode="text",  # eager, compiled
        batch_size="whole?",
        lr="real?",
        epochs="whole?",
        final_loss="real?",
        loss_difference="real?",  # the largest one to float64 arithmetic, over all readings
        repeats="whole",
        seconds="real?",
        seconds_q25="real?",
        seconds_q75="real?",
        seconds_per_epoch="real?",
        gigaflops="real?",
        load="real?",  # programs that ran or waited to run, the last minute's mean
        status="text",
        message="text",
    ),
}


def table_of(schema: pa.Schema, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> pd.DataFrame:
    """Gather rows into a table; what a row does not name is missing.

    Parameters
    ----------
    schema : pyarrow.Schema
        One of :data:`SCHEMAS`.
    rows : sequence of mapping, or DataFrame
        Column to value.

    Returns
    -------
    DataFrame
        All columns of the schema, in its order; whole numbers that may be missing are ``Int64``.
    """
    kinds = {
        field.name: float if field.type == pa.float64() else "Int64"
        for field in schema
        if field.type == pa.float64() or (field.type == pa.int64() and field.nullable)
    }
    return pd.DataFrame(rows).reindex(columns=schema.names).astype(kinds)
