from pipeline.claims.repeats import REPEATS


rule report:
    input:
        figures=rules.figures.output.captions,
        claims=rules.claims.output[0],
        tables=rules.figures.input.tables,
        step_cost=inputs.step_cost,
        repeats=REPEATS,
    output:
        report(
            f"{results}/report.html",
            caption="../../report/captions/report.rst",
            category="The lab's own report",
            labels={"page": "verdicts, four clocks, every cell"},
        ),
    log:
        f"{results}/logs/report.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        code=needs("pipeline.report"),
        figures=subpath(input.figures, parent=True),
        lang=settings.report_lang,
        mlflow=Path(rules.log_runs.output.page).name,
        studies=jobs.folders(studies),
        step_cost=lambda wildcards, input: [
            f"--step-cost={table}" for table in input.step_cost
        ],
    message:
        "Write the report: {output}"
    shell:
        "python -m pipeline.report --out {output:q} --figures {params.figures:q}"
        " --lang {params.lang:q} --claims {input.claims:q} --mlflow {params.mlflow:q} {params.step_cost:q} {params.studies:q} > {log:q} 2>&1"
