rule whiten:
    input:
        raw=rules.fetch.output.table,
        provenance=rules.fetch.output.provenance,
    output:
        f"{results}/data/{{data}}-{{whiten}}.parquet",
    log:
        f"{results}/logs/whiten/{{data}}-{{whiten}}.log",
    priority: 2
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        overrides=inputs.data_overrides,
        rows=inputs.data_rows,
        code=needs("pipeline.whiten", apart=("pipeline.lab.config",)),
    message:
        "Whiten the data: {wildcards.data}, {wildcards.whiten}"
    shell:
        "python -m pipeline.whiten --raw {input.raw:q} --out {output:q}"
        " {params.overrides:q} data.whiten={wildcards.whiten:q} > {log:q} 2>&1"
