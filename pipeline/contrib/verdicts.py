"""``python -m pipeline.contrib.verdicts README.md``: update the verdicts that a Markdown file quotes."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.lab.errors import UserError, exit_on_user_error

#: Marks around the lines that are written.
BEGIN, END = "<!-- verdicts: written by `make picture` -->", "<!-- end of verdicts -->"
#: What surprises most, and the tests whose numbers are shown.
HEADLINES: dict[str, tuple[int, ...]] = {
    "A9": (0, 1),
    "A10a": (0,),
    "H1": (0,),
    "A13b": (0,),
    "H3": (1, 2),
    "A16c": (0,),
    "F5": (0,),
    "F6": (0,),
}
_SIGNS = {"holds": "✓", "does not hold": "✗", "depends": "±", "inconclusive": "?", "by construction": "="}


def summary(claims: Mapping[str, Any]) -> list[str]:
    """Write the counts of the verdicts and the headline findings with their numbers, as lines of Markdown.

    Parameters
    ----------
    claims : mapping
        The content of ``claims.json``.

    Returns
    -------
    list of str
    """
    counts = claims["counts"]
    given, open_ = counts["by construction"], counts["inconclusive"]
    lines = [
        f"Of {len(claims['claims']) - given} claims {counts['holds']} hold, {counts['does not hold']} do not, "
        f"{counts['depends']} depend on how they are asked, and {open_} {'is' if open_ == 1 else 'are'} inconclusive; "
        f"{given} more cannot be otherwise. What surprises most:",
        "",
        "| | claim | verdict | rests on | numbers |",
        "| --- | --- | --- | --- | --- |",
    ]
    by_id = {claim["id"]: claim for claim in claims["claims"]}
    for name, chosen in HEADLINES.items():
        claim = by_id[name]
        numbers = "; ".join(f"{claim['tests'][i]['name']}: {_number(claim['tests'][i]['effect'])}" for i in chosen)
        date = f" ({claim['stored']})" if claim["stored"] else ""
        verdict = f"{_SIGNS[claim['verdict']]} {claim['verdict']}{date}"
        lines.append(f"| {name} | {claim['text']} | {verdict} | {claim['rests_on']} | {numbers} |")
    return lines


def _number(effect: float | str | None) -> str:
    """A test's effect as JSON has it, in words: two or three digits are enough here."""
    from pipeline.lab import formats

    return formats.number(math.nan if effect is None else float(str(effect).replace("infinite", "inf")), 3)


def replaced(text: str, lines: Sequence[str]) -> str:
    """Put lines between the two marks of a text.

    Raises
    ------
    UserError
        If the marks are not there, once each.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UserError(f"the file must have the lines {BEGIN} and {END}, once each, in this order")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return before + "\n".join([BEGIN, *lines, END]) + after


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Update a file.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.contrib.verdicts", description="Write the verdicts between the two marks of a file."
    )
    parser.add_argument("file", type=Path, metavar="README.md", help="the file to update")
    parser.add_argument(
        "--claims", type=Path, default=Path("results/claims.json"), metavar="FILE.json", help="verdicts"
    )
    options = parser.parse_args(arguments)
    from pipeline.lab.files import written_whole

    claims = read_decided(options.claims)
    try:
        text = options.file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{options.file} cannot be read: {error.strerror}") from None
    new = replaced(text, summary(claims))
    with written_whole(options.file) as temporary:
        temporary.write_text(new, encoding="utf-8")
    print(options.file)


def read_decided(path: Path) -> dict[str, Any]:
    """Read ``claims.json``.

    Raises
    ------
    UserError
        If it is not there, is no list of verdicts, lacks a headline, or speaks of the offline twin.
    """
    try:
        claims: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        twin = any(claim["offline_twin"] for claim in claims["claims"])
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; run snakemake first") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is no list of verdicts: make it again with snakemake claims") from None
    missing = HEADLINES.keys() - {claim["id"] for claim in claims["claims"]}
    if missing:
        raise UserError(
            f"{path} has no verdict on {', '.join(sorted(missing))}: run snakemake first, without overrides"
        )
    if twin:
        raise UserError(f"{path} speaks of the offline twin: what is quoted must be of the measured table")
    return claims


if __name__ == "__main__":
    main()
