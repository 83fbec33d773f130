rule collect:
    input:
        tables=jobs.tables,
    output:
        runs=report(
            f"{results}/{{study}}/runs.parquet",
            caption="../../report/captions/table.rst",
            category="Tables",
            labels={"table": "runs of study {study}"},
        ),
        curves=f"{results}/{{study}}/curves.parquet",
        words=f"{results}/{{study}}/study.json",
    log:
        f"{results}/logs/collect/{{study}}.log",
    priority: 2
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        out=subpath(output.runs, parent=True),
        overrides=settings.overrides,
        words=jobs.words,
        code=needs("pipeline.collect", apart=("pipeline.lab.config",)),
    message:
        "Join the tables of study {wildcards.study}"
    shell:
        "python -m pipeline.collect --study {wildcards.study:q} --out {params.out:q} {params.overrides:q} > {log:q} 2>&1"


# A study's name is a target: its tables.
for name in jobs.studies:

    rule:
        name:
            name
        input:
            expand(rules.collect.output, study=name),
        localrule: True
