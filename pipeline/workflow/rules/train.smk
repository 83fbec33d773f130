from pipeline.lab.config.study import RACE

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
        overrides=jobs.overrides,
        extension=jobs.extension,
        configuration=jobs.configuration,
        code=jobs.code,
    message:
        "Train study {wildcards.study}, job {wildcards.job}, resources: threads={threads} gpu={resources.gpu}"
    shell:
        "python -m pipeline.train study={wildcards.study:q} job={wildcards.job:q} {params.extension:q}"
        " {params.overrides:q} {params.places:q} track=false > {log:q} 2>&1"


# Whether jobs go to Slurm; known when jobs are planned.
on_slurm = lambda: getattr(workflow.executor_plugin, "name", "") == "slurm"


# A study with `search: race`: one job, which trains on all cores, and goes on where it stopped. On Slurm it runs beside
# Snakemake and sends each round as an array of jobs. What it keeps to go on is no output, because Snakemake removes those
# of a job that fails.
rule race:
    input:
        data=jobs.data,
    output:
        runs=f"{results}/{{study}}/jobs/{{job}}/runs.parquet",
        curves=f"{results}/{{study}}/jobs/{{job}}/curves.parquet",
        answer=f"{results}/{{study}}/jobs/{{job}}/answer.json",
    log:
        f"{results}/logs/train/{{study}}/{{job}}.log",
    wildcard_constraints:
        job=RACE,
    priority: 2
    localrule: True
    conda:
        str(ENVIRONMENT)
    threads: lambda wildcards: 1 if on_slurm() else cores
    resources:
        gpu=jobs.gpus,
        # No parameter: what a race finds does not depend on where its rounds are trained.
        stage=lambda wildcards: (
            "pipeline.contrib.slurm" if on_slurm() else "pipeline.answer"
        ),
    params:
        places=jobs.race_places,
        overrides=settings.overrides,
        configuration=jobs.configuration,
        race=jobs.race,
        code=jobs.code,
    message:
        "Race the cells of study {wildcards.study}"
    shell:
        "python -m {resources.stage:q} study={wildcards.study:q} {params.overrides:q} {params.places:q} cores={threads:q}"
        " 2>&1 | tee {log:q}"


ruleorder: race > train
