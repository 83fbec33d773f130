# In place of fetch and whiten: a table of one's own. Its name has a digest of its content and of how it is prepared, so
# that a file that was merely touched is not prepared again.
rule prepare_table:
    input:
        lambda wildcards: [ancient(path) for path in jobs.own_files(wildcards)],
    output:
        f"{results}/data/{{data}}-{{digest}}.parquet",
    log:
        f"{results}/logs/prepare/{{data}}-{{digest}}.log",
    priority: 2
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        folder=subpath(output[0], parent=True),
        overrides=jobs.own_overrides,
        code=needs("pipeline.parts.data.file", apart=("pipeline.lab.config",)),
    message:
        "Prepare your table: {wildcards.data}"
    shell:
        "python -m pipeline.parts.data.file --out {params.folder:q} {params.overrides:q} > {log:q} 2>&1"
