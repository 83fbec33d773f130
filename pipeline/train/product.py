"""The jobs of a product, ``-m lr=0.1,0.2``: counted before they are made, and composed quickly."""

import copy
import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from pipeline.lab.config.limits import check_runs
from pipeline.lab.config.schema import SCALARS
from pipeline.lab.errors import UserError
from pipeline.train.sentences import PACKAGES

#: Hydra's own sweeper, which trains every combination; others search.
BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def points(config: DictConfig) -> list[list[str]]:
    """The overrides of each job of a product, counted before they are made."""
    sweeper = config.hydra.sweeper
    exhaustive = sweeper._target_ == BASIC
    own = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items() if isinstance(value, str)]
    given = cast(list[str], OmegaConf.to_container(config.hydra.overrides.task, resolve=False))
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    # As BasicSweeper has it, the last one of a key wins.
    axes = {one.get_key_element(): one for one in parser.parse_overrides([*own, *given])}
    counts = [_count(one, exhaustive) for one in axes.values()]
    check_total(math.prod(counts) if exhaustive else sum(counts), counts, config.max_runs)
    lists = [_texts(one) for one in axes.values()]
    for axis, texts in zip(axes.values(), lists, strict=True):
        if not texts:
            raise UserError(f"{axis.input_line} is not allowed: it has no value")
    if exhaustive:
        return [list(point) for point in itertools.product(*lists)]
    first = [texts[0] for texts in lists]
    return [first] + [
        [*first[:axis], text, *first[axis + 1 :]] for axis, texts in enumerate(lists) for text in texts[1:]
    ]


def _count(axis: Override, exhaustive: bool) -> float:
    """How many values an override has, without making them."""
    value = axis.value()
    if isinstance(value, IntervalSweep) and exhaustive:
        raise UserError(
            f"{axis.input_line} is not allowed: an interval needs a sweeper that searches, hydra/sweeper=optuna say "
            f"(pip install {PACKAGES['optuna']}); choice and range list their values"
        )
    if isinstance(value, RangeSweep):
        start, stop, step = (float(cast(float, one)) for one in (value.start, value.stop, value.step))
        if step == 0 or not all(map(math.isfinite, (start, stop, step))):
            raise UserError(f"{axis.input_line} is not allowed: a range has finite bounds and a step other than 0")
        return max(0, math.ceil((stop - start) / step)) if math.isfinite((stop - start) / step) else math.inf
    return len(value.list) if isinstance(value, ChoiceSweep) else 1


def _texts(axis: Override) -> list[str]:
    """The overrides that an axis stands for, each as Hydra will read it."""
    key, value = axis.get_key_element(), axis.value()
    if isinstance(value, IntervalSweep):
        return [f"{key}={value.start}", f"{key}={value.end}"]
    if axis.is_sweep_override():
        return [f"{key}={text}" for text in axis.sweep_string_iterator()]
    return [cast(str, axis.input_line)]


def check_total(runs: float, factors: Sequence[Any], max_runs: int) -> None:
    """Refuse a product of more runs than allowed; the factors say what they are made of."""
    made_of = " x ".join(f"{one:,}" if isinstance(one, int | float) else str(one) for one in factors if one != 1)
    if runs == math.inf:
        raise UserError(f"this product: its runs ({made_of}) are without end: at most max_runs={max_runs}")
    check_runs("this product", int(runs), made_of, max_runs)


class JobConfigs:
    """The configurations of a product's jobs.

    Composed once per choice of groups (30 ms); plain values are set on a copy, through the structured configuration,
    so their types are still checked.

    Parameters
    ----------
    loader : ConfigLoader
        Hydra's.
    config : DictConfig
        What the whole command is composed to.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self._loader, self._config = loader, config
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, overrides: Sequence[str], number: int) -> DictConfig:
        """Compose the configuration of job ``number``, as Hydra's basic launcher would."""
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        plain = [one for one in parsed if one.key_or_group in SCALARS and not one.is_add() and not one.is_delete()]
        groups = tuple(text for text, one in zip(overrides, parsed, strict=True) if one not in plain)
        if groups not in self._composed:
            self._composed[groups] = self._loader.load_sweep_config(self._config, list(groups))
        config = copy.deepcopy(self._composed[groups])
        OmegaConf.copy_cache(from_config=self._config, to_config=config)
        for one in plain:
            OmegaConf.update(config, one.key_or_group, one.value())
        names = config.hydra.job.config.override_dirname
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.overrides.task = list(overrides)
            config.hydra.job.id = number
            config.hydra.job.num = number
            config.hydra.job.override_dirname = get_overrides_dirname(
                parsed, list(names.exclude_keys), str(names.item_sep), str(names.kv_sep)
            )
        return config
