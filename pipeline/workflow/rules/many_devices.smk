# Not part of a plain `snakemake`: starting processes takes most of its minute. Ask for it by name.
rule measure_many_devices:
    output:
        f"{results}/measure/many_devices.parquet",
    log:
        f"{results}/logs/measure/many_devices.log",
    conda:
        str(ENVIRONMENT)
    threads: cores
    params:
        code=needs("pipeline.contrib.many_devices"),
    message:
        "Measure what several processes cost and save"
    shell:
        "python -m pipeline.contrib.many_devices --out {output:q} > {log:q} 2>&1"
