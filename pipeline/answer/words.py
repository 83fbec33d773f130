"""The answer as a table and sentences."""

import json
import math

from pipeline.answer.answer import NAMED, Answer
from pipeline.answer.contest import ACCURACY
from pipeline.answer.live import name_of
from pipeline.answer.race import PILOT, Claim
from pipeline.lab import formats
from pipeline.lab.command import command_of

HEADINGS = ("scarce", "optimizer", "batch size", "lr", "median [95 % interval]", "how sure")


def table_of(found: Answer) -> str:
    """Write an answer for a terminal."""
    question, cells = found.question, found.cells
    data, settings = cells[0].config.data, question.settings
    short = "a point below" if found.metric == ACCURACY else "a per cent above"
    whose = "the given one" if settings.target else f"{short} the best median of the first seeds"
    runs = f"{found.runs:,} runs, {found.epochs:,.0f} epochs of training, {found.seconds:.0f} s"
    lines = [
        f"{formats.count(len(cells), 'cell')} on {data.name}: {runs}.",
        f"The target is a {found.metric.replace('_', ' ')} of {formats.loss(found.target)}, {whose}.",
        f"Medians are of {settings.report} further seeds, which had no part in choosing.",
        "",
    ]
    overall = [one for one in found.claims if not one.field]
    lines += formats.aligned([HEADINGS, *(_row(found, one) for one in overall)])
    rest = [one for one in found.claims if one.field]
    if rest:
        lines += ["", "Each optimizer's own best:", ""]
        lines += formats.aligned([HEADINGS, *(_row(found, one) for one in rest)])
    undecided = sum(one.outcome == "undecided" for one in found.claims)
    lines += [
        "",
        f"{len(found.claims) - undecided} of {len(found.claims)} questions are decided; of the claims made, at most "
        f"{settings.alpha:.0%} are expected to be wrong, over all questions and whenever the race is stopped.",
    ]
    if found.failures:
        lines.append(f"{formats.count(len(found.failures), 'cell')} failed: {next(iter(found.failures.values()))}")
    commands: dict[int, list[str]] = {}
    for one in overall:
        commands.setdefault(one.leader, []).append(name_of(one.measure, found.metric))
    for i, names in commands.items():
        command = command_of(json.loads(cells[i].config_json), cells[i].id, 10, "stacked")
        lines.append(f"For {formats.listed(names)}: {command or cells[i].id}")
    return "\n".join(lines)


def _row(found: Answer, claim: Claim) -> tuple[str, ...]:
    cell, median = found.cells[claim.leader].config, "–"
    if (numbers := found.reported.get((claim.measure, claim.leader))) is not None:
        middle, *ends = (_cost(one, found, claim) for one in (numbers.median, numbers.low, numbers.high))
        median = f"{middle} [{', '.join(ends[::-1] if _is_accuracy(found, claim) else ends)}]"
    words = (name_of(claim.measure, found.metric), found.fields[claim.leader], str(cell.batch_size), f"{cell.lr:g}")
    return *words, median, _sure(found, claim)


def _is_accuracy(found: Answer, claim: Claim) -> bool:
    return claim.measure == "loss" and found.metric == ACCURACY


def _cost(value: float, found: Answer, claim: Claim) -> str:
    if _is_accuracy(found, claim) and math.isfinite(value):
        return f"{1 - value:.2%}"
    return formats.loss(value) if claim.measure == "loss" else formats.cost(value, claim.measure)


def _sure(found: Answer, claim: Claim) -> str:
    if (numbers := found.reported.get((claim.measure, claim.leader))) and math.isinf(numbers.median):
        return "in no cell do more than half of the seeds get there"
    others = sum(field == claim.field or not claim.field for field in found.fields) - 1 - len(claim.rivals)
    if claim.outcome == "separated":
        aside = f", {claim.aside} of them set aside after {PILOT} seeds" if claim.aside else ""
        return f"separated from all {others} others{aside}"
    named = ", ".join(
        f"{found.fields[i]} b {found.cells[i].config.batch_size} lr {found.cells[i].config.lr:g}"
        for i in claim.rivals[:NAMED]
    )
    more = f" and {len(claim.rivals) - NAMED} more" if len(claim.rivals) > NAMED else ""
    if claim.outcome == "equivalent":
        settings = found.question.settings
        margin = settings.margin_loss if claim.measure == "loss" else settings.margin_cost
        within = f"{100 * settings.margin_accuracy:g} points" if _is_accuracy(found, claim) else f"{100 * margin:g} %"
        return f"equivalent, within {within}, to {named}{more}"
    needed = "how many more seeds would decide cannot be told yet"
    if math.isnan(claim.seeds_left):
        needed = f"the ratio of two steps' times is known to {100 * claim.step_error:.2g} %, and seeds cannot help"
    if math.isfinite(claim.seeds_left):
        runs = claim.seeds_left * (1 + len(claim.rivals))
        needed = f"about {claim.seeds_left:,.0f} more seeds, {runs * found.per_run:,.0f} s"
    return f"undecided against {named}{more}: {needed}"
