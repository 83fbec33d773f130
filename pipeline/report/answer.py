"""The answer to the lab's question, study by study: the first cell at the target on each clock, and what flips."""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

from pipeline.lab import formats
from pipeline.report.clocks import CLOCKS, Cost, Standing, flips, ranked, standings
from pipeline.report.curves import Drawn
from pipeline.report.language import Language, mark

#: The clocks' names, which are looked up.
NAMES = (mark("epochs"), mark("steps"), mark("examples"), mark("seconds"))
#: Most cells that are named where they tie.
MAX_NAMES = 2


@dataclass(frozen=True)
class Answer:
    """What the page says of a study's cells on the four clocks, as text for people.

    Parameters
    ----------
    target : str
        The loss to reach.
    first : dict
        A clock to the least cost and to who needs it; both empty where nobody gets there or there is no such clock.
    turned : str
        How many pairs of cells change their order.
    standings : list of dict
        ``label`` and, by clock, ``text`` and ``value`` of every cell that is drawn.
    ranking : dict
        A clock to a sentence: who is first, and for what.
    """

    target: str
    first: dict[str, tuple[str, str]]
    turned: str
    standings: list[dict[str, object]]
    ranking: dict[str, str]


@lru_cache(maxsize=16)  # the page asks, and then the terminal
def answer(chosen: Drawn, lang: Language) -> Answer:
    """Compare a study's cells on the four clocks.

    Parameters
    ----------
    chosen : Drawn
        The cells that are drawn.
    lang : Language
        The report's.

    Returns
    -------
    Answer
    """
    found = standings(chosen.cells, chosen.curves, chosen.target)
    turned = flips(found)
    target = lang.loss(chosen.target) if chosen.best else lang.local(f"{chosen.target:g}")
    return Answer(
        target=target,
        first={clock: _first(found, clock, lang) for clock in CLOCKS},
        turned=_turned(len(turned), len(found), lang),
        standings=[_line(standing, lang) for standing in found],
        ranking={clock: _ranking(found, clock, target, lang) for clock in CLOCKS},
    )


def _first(found: list[Standing], clock: str, lang: Language) -> tuple[str, str]:
    order = ranked(found, clock)
    if not order:
        return "", ""
    least = order[0].costs[clock].median
    tied = list(takewhile(lambda standing: standing.costs[clock].median == least, order))
    return lang.cost(least, clock), _named(tied, lang)


def _named(tied: list[Standing], lang: Language) -> str:
    names = [formats.quoted(standing.cell.name) for standing in tied[:MAX_NAMES]]
    if len(tied) > MAX_NAMES:
        names.append(lang.count(len(tied) - MAX_NAMES, "{n} more", "{n} more"))
    return lang.listed(names)


def _turned(pairs: int, cells: int, lang: Language) -> str:
    total = cells * (cells - 1) // 2
    if not pairs:
        return lang.say(
            "No conclusion flips: of {total} pairs of cells none is told apart one way on one clock and the other way "
            "on another.",
            total=total,
        )
    return lang.count(
        pairs,
        "{n} of {total} pairs of cells changes its order between the clocks: which of the two is better depends on "
        "what is counted.",
        "{n} of {total} pairs of cells change their order between the clocks: which of the two is better depends on "
        "what is counted.",
        total=total,
    )


def _line(standing: Standing, lang: Language) -> dict[str, object]:
    texts = {clock: _cost(cost, clock, lang) for clock, cost in standing.costs.items()}
    values = {clock: cost.median for clock, cost in standing.costs.items()}
    return {"id": standing.cell.id, "label": standing.cell.name, "text": texts, "value": values}


def _cost(cost: Cost, clock: str, lang: Language) -> str:
    if not cost.known:
        return lang.say("not measured")
    low, middle, high = (lang.cost(value, clock) for value in (cost.low, cost.median, cost.high))
    return middle if low == high or math.isinf(cost.median) else f"{middle} {lang.between(low, high)}"


def _ranking(found: list[Standing], clock: str, target: str, lang: Language) -> str:
    cost, who = _first(found, clock, lang)
    if not any(standing.costs[clock].known for standing in found):
        return lang.say("These runs have no clock, and the time of a step was not measured.")
    if not who:
        return lang.say("No cell reaches a loss of {target} in more than half of its runs.", target=target)
    words = {"clock": lang.word(clock), "target": target, "who": who, "cost": cost}
    return lang.say("On the clock of {clock}, a loss of {target} is reached first by {who}: {cost}.", **words)
