rule fetch:
    output:
        table=f"{results}/data/{{data}}.dat",
        provenance=f"{results}/data/{{data}}.json",
    log:
        f"{results}/logs/fetch/{{data}}.log",
    priority: 2
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        folder=subpath(output.table, parent=True),
        overrides=inputs.data_overrides,
        rows=inputs.data_rows,
        code=needs("pipeline.fetch", apart=("pipeline.lab.config",)),
    message:
        "Fetch the data: {wildcards.data}"
    shell:
        # tee: when the offline twin stands in, the warning has to be seen
        "python -m pipeline.fetch --out {params.folder:q} {params.overrides:q} 2>&1 | tee {log:q}"
