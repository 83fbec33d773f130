# Opt-in: `snakemake frameworks`. The chapter's runs in four frameworks, each in an environment of its own.
# Nothing here fails: what cannot be installed or ends in an error is a row of the table.


wildcard_constraints:
    framework="|".join(lab.frameworks),


rule framework_problem:
    input:
        data=lab.default_data,
        code=lab.code("framework_problem"),
        conf="conf/study/textbook.yaml",
    output:
        f"{results}/frameworks/problem.npz",
    log:
        f"{results}/logs/frameworks/problem.log",
    localrule: True
    conda:
        "../../../environment.yml"
    params:
        overrides=lab.cell_overrides,
    shell:
        "python -m pipeline.contrib.frameworks prepare --data {input.data:q} --out {output:q} {params.overrides:q}"
        " > {log:q} 2>&1"


# The environments outlive the results: they lie in .frameworks, and are made again when the pins change.
rule framework_environment:
    input:
        pins="pipeline/contrib/frameworks/envs/{framework}.txt",
        code=lab.code("framework_environment"),
    output:
        f"{results}/frameworks/{{framework}}/environment.json",
    log:
        f"{results}/logs/frameworks/{{framework}}/environment.log",
    retries: 0
    localrule: True
    conda:
        "../../../environment.yml"
    params:
        folder=".frameworks/{framework}",
    shell:
        "python -m pipeline.contrib.frameworks environment {wildcards.framework:q} --folder {params.folder:q}"
        " --out {output:q} > {log:q} 2>&1"


# Timed: it holds the whole machine.
rule framework_run:
    input:
        problem=rules.framework_problem.output,
        environment=rules.framework_environment.output,
        script="pipeline/contrib/frameworks/run_{framework}.py",
        code=lab.code("framework_run"),
    output:
        f"{results}/frameworks/{{framework}}/measured.json",
    log:
        f"{results}/logs/frameworks/{{framework}}/run.log",
    retries: 0
    conda:
        "../../../environment.yml"
    threads: workflow.cores
    shell:
        "python -m pipeline.contrib.frameworks run {wildcards.framework:q} --environment {input.environment:q}"
        " --problem {input.problem:q} --out {output:q} > {log:q} 2>&1"


rule collect_frameworks:
    input:
        problem=rules.framework_problem.output,
        measured=expand(rules.framework_run.output, framework=lab.frameworks),
        code=lab.code("collect_frameworks"),
    output:
        table=lab.measured("frameworks"),
        curves=f"{results}/measure/frameworks_curves.parquet",
    log:
        f"{results}/logs/frameworks/collect.log",
    localrule: True
    conda:
        "../../../environment.yml"
    shell:
        "python -m pipeline.contrib.frameworks collect {input.measured:q} --problem {input.problem:q}"
        " --out {output.table:q} --curves {output.curves:q} > {log:q} 2>&1"


rule draw_frameworks:
    input:
        table=rules.collect_frameworks.output.table,
        code=lab.code("draw_frameworks"),
    output:
        multiext(f"{results}/figures/measure_frameworks", ".svg", ".png", ".txt"),
    log:
        f"{results}/logs/frameworks/draw.log",
    localrule: True
    conda:
        "../../../environment.yml"
    params:
        out=subpath(output[0], parent=True),
    shell:
        "python -m pipeline.contrib.frameworks draw {input.table:q} --out {params.out:q} > {log:q} 2>&1"


rule frameworks:
    input:
        rules.collect_frameworks.output,
        rules.draw_frameworks.output,
    localrule: True
