# As many as this machine's profile says it has; None on a cluster, which counts its own.
gpu_tokens = workflow.global_resources.get("gpu").value


rule train:
    input:
        data=lab.job_data,
    output:
        runs=f"{results}/{{study}}/jobs/{{job}}/runs.parquet",
        curves=f"{results}/{{study}}/jobs/{{job}}/curves.parquet",
    log:
        f"{results}/logs/train/{{study}}/{{job}}.log",
    priority: 2
    conda:
        "../../../environment.yml"
    threads: lambda wildcards: lab.job_threads(wildcards, workflow.cores, gpu_tokens)
    resources:
        gpu=lab.job_gpus,
    params:
        places=lab.job_places,
        overrides=lab.overrides,
        extension=lab.job_extension,
        cells=lab.job_cells,
        files=lab.job_files,
    shell:
        "python -m pipeline.train study={wildcards.study:q} job={wildcards.job:q} {params.extension:q}"
        " {params.overrides:q} {params.places:q} track=false > {log:q} 2>&1"
