# As many as this machine's profile says it has; None on a cluster, which counts its own.
gpu_tokens = workflow.global_resources.get("gpu").value


rule train:
    input:
        data=jobs.data,
    output:
        runs=f"{results}/{{study}}/jobs/{{job}}/runs.parquet",
        curves=f"{results}/{{study}}/jobs/{{job}}/curves.parquet",
    log:
        f"{results}/logs/train/{{study}}/{{job}}.log",
    priority: 2
    conda:
        str(ENVIRONMENT)
    threads: lambda wildcards: jobs.threads(wildcards, cores, gpu_tokens)
    resources:
        gpu=jobs.gpus,
    params:
        places=jobs.places,
        overrides=settings.overrides,
        extension=jobs.extension,
        configuration=jobs.configuration,
        code=jobs.code,
    shell:
        "python -m pipeline.train study={wildcards.study:q} job={wildcards.job:q} {params.extension:q}"
        " {params.overrides:q} {params.places:q} track=false > {log:q} 2>&1"
