rule whiten:
    input:
        raw=rules.fetch.output.table,
        provenance=rules.fetch.output.provenance,
        code=lab.code("whiten"),
        conf=lab.data_conf,
    output:
        f"{results}/data/{{data}}-{{whiten}}.parquet",
    log:
        f"{results}/logs/whiten/{{data}}-{{whiten}}.log",
    priority: 2
    localrule: True
    conda:
        "../../../environment.yml"
    params:
        overrides=lab.data_overrides,
    shell:
        "python -m pipeline.whiten --raw {input.raw:q} --out {output:q}"
        " {params.overrides:q} data.whiten={wildcards.whiten:q} > {log:q} 2>&1"
