"""``python -m pipeline.contrib.referee``: decide what a plain run leaves open, and keep the verdicts with their date.

They are of studies that take minutes (``snakemake referee``). What is stored in ``conf/referee.json`` stands in the
report, with its date, where those studies were not made and the rules are still the same.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF
from pipeline.lab.stage import Options, argument, command

#: The studies that only a referee asks for.
STUDIES = ("contenders", "equal_steps")


@command(
    "pipeline.contrib.referee",
    "Decide what takes long, and store it with its date.",
    argument("--results", type=Path, default=Path("results"), metavar="DIR", help="the folder of the tables"),
    argument("--out", type=Path, required=True, metavar="FILE.json", help="where the verdicts go"),
)
def main(options: Options) -> None:
    """Decide the claims about :data:`STUDIES` and write them."""
    from pipeline.claims.decide import decide_all
    from pipeline.claims.evidence import Evidence
    from pipeline.claims.ledger import read_ledger
    from pipeline.lab.files import write_whole

    decided = decide_all(read_ledger(CONF / "claims.yaml"), Evidence(options.results))
    own = [c for c in decided["claims"] if any(f"/{study}/" in table for study in STUDIES for table in c["tables"])]
    missing = [test["sentence"] for claim in own for test in claim["tests"] if test["interval"] is None]
    if missing:
        raise UserError(f"{missing[0].removesuffix('.')}; run snakemake referee")
    if any(claim["offline_twin"] for claim in own):
        raise UserError("these results are of the offline twin: what is stored must be of the measured table")
    content = {"date": datetime.now(UTC).date().isoformat(), "claims": own}
    write_whole(options.out, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    print(f"{options.out}: " + ", ".join(f"{claim['id']} {claim['verdict']}" for claim in own))


if __name__ == "__main__":
    main()
