"""Optimizers that ask for no learning rate, at the smallest batch size and with their defaults: there is no search."""

from dataclasses import replace
from functools import partial

from pipeline.contrib.finders.landscape import Landscape
from pipeline.contrib.finders.method import Found, Method, for_all
from pipeline.lab.config.compose import compose_cell
from pipeline.parts import own

#: Name to distribution, class and the default of its learning rate.
CLASSES = {
    "Prodigy": ("prodigyopt", "Prodigy", 1.0),
    "Schedule-Free AdamW": ("schedulefree", "AdamWScheduleFree", 0.0025),
    "D-Adaptation (Adam)": ("dadaptation", "DAdaptAdam", 1.0),
}


def use(landscape: Landscape, repetition: int, *, reference: str, lr: float) -> Found:
    """Take the optimizer as it comes."""
    own.allow("optimizer", reference)
    like = landscape.rates(landscape.optimizers[0], landscape.batch_sizes[0])[0]
    optimizer = compose_cell([f"optimizer={reference}"]).optimizer
    config = replace(like.config, optimizer=optimizer, implementation="torch", engine="solo", lr=lr)
    return Found(for_all(replace(like, config=config)))


def methods() -> list[Method]:
    """The methods of this file."""
    return [
        Method(name, library, partial(use, reference=f"{library}:{one}", lr=lr), repetitions=1)
        for name, (library, one, lr) in CLASSES.items()
    ]
