rule report:
    input:
        figures=rules.figures.output[0],
        claims=rules.claims.output[0],
        tables=rules.figures.input.tables,
        data=rules.figures.input.data,
        step_cost=lab.step_cost,
        code=lab.code("report"),
    output:
        f"{results}/report.html",
    log:
        f"{results}/logs/report.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        figures=subpath(input.figures, parent=True),
        studies=lab.folders(lab.default_studies),
        step_cost=lambda wildcards, input: [
            f"--step-cost={table}" for table in input.step_cost
        ],
    shell:
        "python -m pipeline.report --out {output:q} --figures {params.figures:q} --data {input.data:q}"
        " --claims {input.claims:q} {params.step_cost:q} {params.studies:q} > {log:q} 2>&1"
