"""``python -m pipeline.claims --out FILE.json --results DIR [--ledger FILE]``: decide every claim."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from pipeline import parts
from pipeline.lab.errors import exit_on_user_error
from pipeline.lab.paths import CONF


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Decide the claims, write the verdicts, and print how many there are of each.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(prog="python -m pipeline.claims", description="Give every claim its verdict.")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="where the verdicts go")
    parser.add_argument("--results", type=Path, required=True, metavar="DIR", help="the folder of the tables")
    parser.add_argument("--ledger", type=Path, default=CONF / "claims.yaml", metavar="FILE.yaml", help="the claims")
    parser.add_argument("--data", metavar="NAME", help="decide only what applies to these data, and has its tables")
    parser.add_argument("--config-dir", metavar="DIR", help="a folder with statistics of your own")
    options = parser.parse_args(arguments)
    parts.use(options.config_dir)
    # Here, so that --help answers at once.
    from pipeline.claims.decide import decide_all
    from pipeline.claims.evidence import Evidence
    from pipeline.claims.ledger import read_ledger
    from pipeline.lab.files import written_whole

    ledger = read_ledger(options.ledger)
    decided = decide_all(ledger, Evidence(options.results), options.data)
    with written_whole(options.out) as temporary:
        text = json.dumps(decided, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(f"{text}\n", encoding="utf-8")
    counts = ", ".join(f"{number} {verdict}" for verdict, number in decided["counts"].items())
    others = len(decided["not_applicable"])
    print(f"{options.out}: {counts}{f', {others} not applicable' if others else ''}")


if __name__ == "__main__":
    main()
