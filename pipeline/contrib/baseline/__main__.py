"""``python -m pipeline.contrib.baseline {store,compare}``: store a baseline of the results, or compare with one.

store    write what the results came to, and what they were made with, to one small file
compare  say which conclusions changed since; exit status 1 if any did, 2 after a mistake
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.lab.files import written_whole

#: The baseline that is kept with the code.
REFERENCE = Path("baselines/reference.json")


def store(results: Path, out: Path) -> None:
    """Write the baseline of a folder of results.

    Raises
    ------
    UserError
        If the results cannot be read, or the file cannot be written.
    """
    from pipeline.contrib.baseline.table import baseline_of, to_text

    baseline = baseline_of(results)
    with written_whole(out) as temporary:
        temporary.write_text(to_text(baseline), encoding="utf-8")
    parts = [row["part"] for row in baseline["rows"]]
    counts = (
        f"{parts.count(part)} {name}"
        for part, name in (("verdict", "verdicts"), ("loss", "cells"), ("ratio", "ratios"))
    )
    print(f"{out}: {', '.join(counts)}")


def compare(results: Path, against: Path, out: Path | None) -> bool:
    """Print, and write as JSON, what has changed since a baseline.

    Returns
    -------
    bool
        Whether a conclusion changed.

    Raises
    ------
    UserError
        If the two have nothing in common: then nothing can be said to have stayed.
    """
    from pipeline.contrib.baseline.compare import ROUNDING, compare, report
    from pipeline.contrib.baseline.table import baseline_of, from_text, jsonable

    try:
        was = from_text(against.read_text(encoding="utf-8"), str(against))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UserError(
            f"{against} cannot be read: {reason}; make it with python -m pipeline.contrib.baseline store"
        ) from None
    found = compare(was, baseline_of(results))
    if not found["counts"]:
        example = found["missing"][0] if found["missing"] else "both are empty"
        raise UserError(f"{results} has nothing in common with {against} ({example})")
    if out is not None:
        whole = {"version": 2, "baseline": str(against), "rounding": ROUNDING, **found}
        text = json.dumps(jsonable(whole), indent=1, ensure_ascii=False, allow_nan=False)
        with written_whole(out) as temporary:
            temporary.write_text(f"{text}\n", encoding="utf-8")
    print(report(found, str(against)), end="")
    return bool(found["changed"])


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 1 if a conclusion changed, 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.contrib.baseline",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("store", "compare"):
        own = commands.add_parser(name)
        own.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="results, by default")
        own.add_argument("--baseline", type=Path, default=REFERENCE, metavar="FILE", help=f"{REFERENCE}, by default")
        if name == "compare":
            own.add_argument("--out", type=Path, metavar="FILE.json", help="write the whole comparison there too")
    options = parser.parse_args(arguments)
    if options.command == "store":
        store(options.results, options.baseline)
    elif compare(options.results, options.baseline, options.out):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
