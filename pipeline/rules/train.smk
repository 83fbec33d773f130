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
    priority: 1
    conda:
        "../../environment.yml"
    threads: lambda wildcards: lab.job_threads(wildcards, workflow.cores, gpu_tokens)
    resources:
        gpu=lab.job_gpus,
    params:
        out=subpath(output.runs, parent=True),
        data_dir=f"{results}/data",
        overrides=lab.overrides,
        extension=lab.job_extension,
        cells=lab.job_cells,
        files=lab.job_files,
    shell:
        "python -m pipeline.train study={wildcards.study} job={wildcards.job} {params.extension:q} {params.overrides:q}"
        " out={params.out:q} data_dir={params.data_dir:q} track=false"
        " hydra.run.dir={params.out:q} > {log:q} 2>&1"
