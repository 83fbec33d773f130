"""Published values for the textbook's runs, and means over a thousand seeds."""

from typing import Any

from pipeline.lab.published.values import Published, SeedMean

CHAPTER: dict[str, Any] = {
    "data.name": "airfoil",
    "data.whiten": "standardize",
    "data.rows": 1500,
    "data.copies": 1,
    "model.name": "linear",
    "optimizer.name": "sgd",
    "schedule.name": "constant",
    "sampling.name": "without_replacement",
}
SCRATCH: dict[str, Any] = CHAPTER | {"implementation": "scratch", "model.bias": "zeros"}

TEXTBOOK = (
    Published(
        where=SCRATCH | {"batch_size": 1500, "lr": 1.0, "epochs": 10},
        book="0.247; 0.020 s",
        notebooks="0.248, 0.248, 0.250",
        renders="0.2481",
        expected=SeedMean(0.24761, 0.00383),
    ),
    Published(
        where=SCRATCH | {"batch_size": 1, "lr": 0.005, "epochs": 2},
        book="0.245; 0.685 s",
        notebooks="0.244, 0.248, 0.243",
        renders="0.2451",
        expected=SeedMean(0.24499, 0.00239),
    ),
    Published(
        where=SCRATCH | {"batch_size": 100, "lr": 0.4, "epochs": 2},
        book="0.246; 0.025 s",
        notebooks="0.244",
        renders="0.2458",
        expected=SeedMean(0.24561, 0.00306),
    ),
    Published(
        where=SCRATCH | {"batch_size": 10, "lr": 0.05, "epochs": 2},
        book="0.246; 0.090 s",
        renders="0.2450",
        expected=SeedMean(0.24512, 0.00251),
    ),
    # The concise version of those editions: half the squared error, a bias from torch's default.
    Published(
        where=CHAPTER | {"implementation": "torch", "model.bias": "uniform", "batch_size": 10, "lr": 0.05, "epochs": 4},
        expected=SeedMean(0.2449, 0.0022, rounding=5e-5),
    ),
)
