"""Measurements of what the chapter claims about machines, gradients and loaders.

One file a measurement: a pure function that measures and returns a table, and
``measure(inputs)``, which the command line calls::

    python -m pipeline.measure NAME --out results/measure/NAME.parquet

This file is the list of them. It imports nothing heavy, because the workflow reads it
at every start. ``docs/measurements.md`` says which question each of them answers.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """What there is to know of a measurement without making it.

    Parameters
    ----------
    name : str
        Its module, its table and its rule.
    title : str
        What it measures, for people.
    timed : bool
        Whether it measures time: then nothing may run beside it.
    data : bool
        Whether it reads the whitened table.
    images : bool
        Whether it reads the folder of images.
    """

    name: str
    title: str
    timed: bool = True
    data: bool = True
    images: bool = False


#: Every measurement, by name.
MEASUREMENTS = {
    measurement.name: measurement
    for measurement in (
        Measurement(
            "vectorisation", "One matrix product, element by element, by columns, by blocks, whole", data=False
        ),
        Measurement("memory", "Bandwidth of the memory hierarchy, and the roofline", data=False),
        Measurement("gradient_noise", "Spread of the minibatch gradient against the batch size", timed=False),
        Measurement("noise_scale", "Gradient noise scale, and the batch size that stops paying", timed=False),
        Measurement("step_cost", "Microseconds of a training step, in parts"),
        Measurement("epoch_metric", "The chapter's clock, the true one, and the garbage collector"),
        Measurement("loading", "An epoch through loaders with and without workers", images=True),
    )
}
