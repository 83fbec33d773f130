# Not part of a plain `snakemake`: starting processes takes most of its minute. Ask for it by name.
rule measure_many_devices:
    input:
        code=lab.code("many_devices"),
    output:
        f"{results}/measure/many_devices.parquet",
    log:
        f"{results}/logs/measure/many_devices.log",
    conda:
        "../../../environment.yml"
    threads: workflow.cores
    shell:
        "python -m pipeline.measure.many_devices --out {output:q} > {log:q} 2>&1"
