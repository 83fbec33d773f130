# Verdicts come from the tables of the default studies and from the measurements. By hand, a claim whose
# table is not there is inconclusive, and says so.
from pipeline.contrib.referee import STUDIES


rule claims:
    input:
        tables=expand(rules.collect.output, study=studies),
        measurements=rules.measure.input,
        data=inputs.default_data,
    output:
        report(
            f"{results}/claims.json",
            caption="../../report/captions/claims.rst",
            category="Tables",
            labels={"table": "verdicts on the claims"},
        ),
    log:
        f"{results}/logs/claims.log",
    # After figures and log_runs: these are the longest of what is left, and begin together on two cores.
    priority: -1
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        ledger=inputs.ledger,
        own=inputs.own("statistic"),
        code=needs("pipeline.claims", "pipeline.contrib.machine.statistic"),
        results=subpath(output[0], parent=True),
        about=inputs.claims_about,
        referee=[
            study for study in STUDIES if Path(results, study, "runs.parquet").exists()
        ],
    message:
        "Decide the claims"
    shell:
        "python -m pipeline.claims --out {output:q} --results {params.results:q} {params.about:q}"
        " > {log:q} 2>&1"
