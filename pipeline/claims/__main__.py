"""``python -m pipeline.claims --out FILE.json --results DIR [--ledger FILE]``: decide every claim."""

import json
from pathlib import Path

from pipeline.lab.paths import CONF
from pipeline.lab.stage import CONFIG_DIR, Options, argument, command


@command(
    "pipeline.claims",
    "Give every claim its verdict.",
    argument("--out", type=Path, required=True, metavar="FILE.json", help="where the verdicts go"),
    argument("--results", type=Path, required=True, metavar="DIR", help="the folder of the tables"),
    argument("--ledger", type=Path, default=CONF / "claims.yaml", metavar="FILE.yaml", help="the claims"),
    argument("--stored", type=Path, default=CONF / "referee.json", metavar="FILE.json", help="verdicts that take long"),
    argument("--data", metavar="NAME", help="decide only what applies to these data, and has its tables"),
    CONFIG_DIR,
)
def main(options: Options) -> None:
    """Decide the claims, write the verdicts, and print how many there are of each."""
    from pipeline.claims.decide import decide_all
    from pipeline.claims.evidence import Evidence
    from pipeline.claims.ledger import read_ledger
    from pipeline.lab.facts import json_object
    from pipeline.lab.files import write_whole

    ledger = read_ledger(options.ledger)
    stored = json_object(options.stored, "make it again with snakemake referee") if options.stored.exists() else None
    decided = decide_all(ledger, Evidence(options.results), options.data, stored)
    write_whole(options.out, json.dumps(decided, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    counts = ", ".join(f"{number} {verdict}" for verdict, number in decided["counts"].items())
    others = len(decided["not_applicable"])
    print(f"{options.out}: {counts}{f', {others} not applicable' if others else ''}")


if __name__ == "__main__":
    main()
