rule collect:
    input:
        tables=lab.job_tables,
        code=lab.code("collect"),
    output:
        runs=report(
            f"{results}/{{study}}/runs.parquet",
            caption="../../report/captions/table.rst",
            category="Tables",
            labels={"table": "runs of study {study}"},
        ),
        curves=f"{results}/{{study}}/curves.parquet",
    log:
        f"{results}/logs/collect/{{study}}.log",
    priority: 2
    localrule: True
    conda:
        "../../../environment.yml"
    params:
        jobs=lab.job_folders,
        out=subpath(output.runs, parent=True),
    shell:
        "python -m pipeline.collect {params.jobs:q} --out {params.out:q} > {log:q} 2>&1"


# A study's name is a target: its tables.
for name in lab.studies:

    rule:
        name:
            name
        input:
            expand(rules.collect.output, study=name),
        localrule: True
