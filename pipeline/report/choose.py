"""What should I use? The answers of ``python -m pipeline.analysis.advise`` and of races, for the page to look up."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.analysis.advise import Advice, Choice, advise
from pipeline.analysis.best import MOST_UNPARTED, PARTING
from pipeline.analysis.compare import Comparison
from pipeline.analysis.study import AnalysedStudy
from pipeline.analysis.sweep import Sweep
from pipeline.report.curves import command
from pipeline.report.language import Language, mark
from pipeline.report.race import race_section

Found = dict[str, Any]

#: What may be scarce, as a reader chooses it.
SCARCE = {
    "epochs": mark("epochs"),
    "steps": mark("steps"),
    "examples": mark("examples"),
    "seconds": mark("seconds"),
    "loss": mark("final loss"),
}
#: Targets that are offered: their distances from the lowest median final loss, in those of the study's own target.
DISTANCES = (0.25, 0.5, 1.0, 2.0, 4.0)


def choosers(studies: Sequence[AnalysedStudy], lang: Language) -> list[Found]:
    """Answer what a reader may ask of the studies that compare optimizers, batch sizes and learning rates.

    Parameters
    ----------
    studies : sequence of AnalysedStudy
        Those of the report.
    lang : Language
        The report's.

    Returns
    -------
    list of dict
        One a race, sweep, or part of a sweep whose cells can be compared: ``name``, ``title``, ``optimizers``,
        ``targets`` (``value``, ``text``; the study's own is number ``target``), ``parting`` (which seeds choose and
        which measure, empty after a race), ``lines`` (the defaults) and
        ``answers``, from ``OPTIMIZER|NUMBER OF THE TARGET|SCARCE`` to an answer; the optimizer is empty for any. An
        answer has ``cell`` (an id), ``who``, ``cost``, ``runner``, ``sure``, ``decided`` and ``command``, which is
        None where no command trains the cell. What is not an answer has only ``why``.
    """
    found = []
    for study in studies:
        if raced := race_section(study, lang):
            found.append(_of_race(study, study.words["answer"], raced["lines"], lang))
        elif study.kind == "sweep":
            found += [_of_sweep(study, Sweep(part, study.costs), words, lang) for words, part in study.split().items()]
    return found


def targets(sweep: Sweep) -> list[float]:
    """The losses that can be asked for: around the study's own, each a multiple of its distance from the lowest.

    Returns
    -------
    list of float
        In ascending order, with five digits, so that a command line can repeat them; the study's own is exact.
    """
    own, lowest = sweep.target.loss, float(sweep.grid.medians.min())
    if not lowest < own < math.inf:
        return [own]
    return [own if times == 1 else float(f"{lowest + times * (own - lowest):.5g}") for times in DISTANCES]


def _of_sweep(study: AnalysedStudy, sweep: Sweep, words: str, lang: Language) -> Found:
    losses, optimizers = targets(sweep), list(sweep.grid.optimizers)
    answers = {
        f"{optimizer}|{number}|{one.measure}": _answer(one, study.series, lang)
        for optimizer in ("", *optimizers)
        for number, loss in enumerate(losses)
        for one in advise(sweep, optimizer or None, loss)
    }
    return _chooser(study.name, study.title, optimizers, losses, losses.index(sweep.target.loss), answers, lang) | {
        "title": f"{study.title} ({words})" if words else study.title,
        "parting": lang.word(PARTING[len(sweep.grid.seeds) <= MOST_UNPARTED]),
    }


def _of_race(
    study: AnalysedStudy, race: Mapping[str, Any], lines: Sequence[Mapping[str, str]], lang: Language
) -> Found:
    answers = {}
    for claim, line in zip(race["claims"], lines, strict=True):
        cell = study.cells.get(claim["leader"])
        answers[f"{claim['field']}|0|{claim['measure']}"] = {
            "cell": claim["leader"],
            "who": line["leader"],
            "cost": line["median"],
            "runner": line["rivals"],
            "sure": line["outcome"],
            "decided": claim["outcome"] != "undecided",
            "command": cell and command(cell),
        }
    optimizers = list(dict.fromkeys(claim["field"] for claim in race["claims"] if claim["field"]))
    return _chooser(study.name, study.title, optimizers, [race["target"]], 0, answers, lang)


def _chooser(
    name: str, title: str, optimizers: list[str], losses: list[float], own: int, answers: Found, lang: Language
) -> Found:
    defaults = {scarce: answers.get(f"|{own}|{scarce}") for scarce in SCARCE}
    return {
        "name": name,
        "title": title,
        "optimizers": optimizers,
        "targets": [{"value": loss, "text": lang.loss(loss)} for loss in losses],
        "target": own,
        "parting": "",
        "answers": answers,
        "lines": [{"scarce": lang.word(SCARCE[scarce]), **line} for scarce, line in defaults.items() if line],
    }


def _answer(one: Advice, series: Mapping[str, str], lang: Language) -> Found:
    if not one.known:
        return {"why": lang.say("Half of the seeds or more miss this loss.")}
    if one.best.value == 0 and one.measure != "loss":
        return {"why": lang.say("Runs are at this loss before their first step, so no cost says anything.")}

    def cost(value: float) -> str:
        return lang.loss(value) if one.measure == "loss" else lang.cost(value, one.measure)

    def who(choice: Choice) -> str:
        lr, words = lang.rate(choice.cell.lr), {"optimizer": series[choice.cell.id], "b": str(choice.cell.batch_size)}
        lr = lang.say("{rate} (border of its range)", rate=lr) if choice.at_edge else lr
        return lang.say("{optimizer} at b = {b}, lr {lr}", lr=lr, **words)

    return {
        "cell": one.best.cell.id,
        "who": who(one.best),
        "cost": f"{cost(one.best.value)} {lang.between(cost(one.best.low), cost(one.best.high))}",
        "runner": f"{who(one.runner_up)}: {cost(one.runner_up.value)}" if one.runner_up else "–",
        "sure": _sure(one.comparison, lang),
        "decided": one.comparison is not None and one.comparison.low > 0.5,
        "command": command(one.best.cell),
    }


def _sure(compared: Comparison | None, lang: Language) -> str:
    if compared is None:
        return lang.say("There is no other cell.")
    share = round(100 * compared.probability)
    if compared.low > 0.5:
        return lang.count(
            compared.seeds,
            "Sure: better than the runner-up in {share} % of {n} seed.",
            "Sure: better than the runner-up in {share} % of {n} seeds.",
            share=share,
        )
    return lang.count(
        compared.seeds,
        "Not sure: better than the runner-up in {share} % of {n} seed, too few to rank the two.",
        "Not sure: better than the runner-up in {share} % of {n} seeds, too few to rank the two.",
        share=share,
    )
