# Opt-in: `snakemake frameworks`. The chapter's runs in four frameworks, each in an environment of its own.
# Nothing here fails: what cannot be installed or ends in an error is a row of the table.
from pipeline.contrib.frameworks import FRAMEWORKS
from pipeline.lab.paths import PACKAGE
from pipeline.workflow.code import digest, digest_of


wildcard_constraints:
    framework="|".join(FRAMEWORKS),


rule framework_problem:
    input:
        data=inputs.default_data,
    output:
        f"{results}/frameworks/problem.npz",
    log:
        f"{results}/logs/frameworks/problem.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        overrides=settings.cell_overrides,
        study=lambda wildcards: jobs.cells_digest("textbook"),
        code=needs("pipeline.contrib.frameworks.prepare"),
    message:
        "Write the data for other frameworks"
    shell:
        "python -m pipeline.contrib.frameworks prepare --data {input.data:q} --out {output:q} {params.overrides:q}"
        " > {log:q} 2>&1"


# The environments outlive the results: they lie in .frameworks, and are made again when the pins change.
rule framework_environment:
    output:
        f"{results}/frameworks/{{framework}}/environment.json",
    log:
        f"{results}/logs/frameworks/{{framework}}/environment.log",
    retries: 0
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        folder=".frameworks/{framework}",
        code=needs("pipeline.contrib.frameworks.environment"),
        pins=lambda wildcards: digest_of(
            (
                PACKAGE / f"contrib/frameworks/envs/{wildcards.framework}.txt"
            ).read_text()
        ),
    message:
        "Install {wildcards.framework} in an environment of its own"
    shell:
        "python -m pipeline.contrib.frameworks environment {wildcards.framework:q} --folder {params.folder:q}"
        " --out {output:q} > {log:q} 2>&1"


# Timed: it holds the whole machine.
rule framework_run:
    input:
        problem=rules.framework_problem.output,
        environment=rules.framework_environment.output,
    output:
        f"{results}/frameworks/{{framework}}/measured.json",
    log:
        f"{results}/logs/frameworks/{{framework}}/run.log",
    retries: 0
    conda:
        str(ENVIRONMENT)
    threads: cores
    params:
        code=lambda wildcards: digest(
            "pipeline.contrib.frameworks.launch",
            f"pipeline.contrib.frameworks.run_{wildcards.framework}",
        ),
    message:
        "Run the chapter in {wildcards.framework}"
    shell:
        "python -m pipeline.contrib.frameworks run {wildcards.framework:q} --environment {input.environment:q}"
        " --problem {input.problem:q} --out {output:q} > {log:q} 2>&1"


rule collect_frameworks:
    input:
        problem=rules.framework_problem.output,
        measured=expand(rules.framework_run.output, framework=FRAMEWORKS),
    output:
        table=inputs.measured("frameworks"),
        curves=f"{results}/measure/frameworks_curves.parquet",
    log:
        f"{results}/logs/frameworks/collect.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        code=needs(
            "pipeline.contrib.frameworks.table",
            "pipeline.contrib.frameworks.reference",
        ),
    message:
        "Join what the frameworks measured"
    shell:
        "python -m pipeline.contrib.frameworks collect {input.measured:q} --problem {input.problem:q}"
        " --out {output.table:q} --curves {output.curves:q} > {log:q} 2>&1"


rule draw_frameworks:
    input:
        table=rules.collect_frameworks.output.table,
    output:
        multiext(f"{results}/figures/measure_frameworks", ".svg", ".png", ".txt"),
    log:
        f"{results}/logs/frameworks/draw.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        out=subpath(output[0], parent=True),
        code=needs("pipeline.contrib.frameworks.figure"),
    message:
        "Draw what the frameworks measured"
    shell:
        "python -m pipeline.contrib.frameworks draw {input.table:q} --out {params.out:q} > {log:q} 2>&1"


rule frameworks:
    input:
        rules.collect_frameworks.output,
        rules.draw_frameworks.output,
    localrule: True
