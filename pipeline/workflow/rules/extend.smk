# Widens, by a decade, the ranges whose best learning rate lies on the border. Which cells that adds is
# known only once the others are trained: hence the checkpoint.
checkpoint widen:
    input:
        tables=jobs.tables,
    output:
        f"{results}/{{study}}/extension/round{{round}}.json",
    log:
        f"{results}/logs/extend/{{study}}-round{{round}}.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        code=needs("pipeline.analysis.extend"),
        runs=lambda wildcards, input: [
            path for path in input.tables if path.endswith("runs.parquet")
        ],
    message:
        "Look which ranges of study {wildcards.study} are too narrow for the best learning rate"
    shell:
        "python -m pipeline.analysis.extend {params.runs:q} --out {output:q} 2>&1 | tee {log:q}"


# Trains the new cells and nothing else; the next plain `snakemake` has them in tables, figures and report.
rule extend:
    input:
        jobs.widened_tables(checkpoints),
    localrule: True
