# Opt-in: `snakemake finders`. How people find a setting, against the best of the study `landscape`.
# What cannot be installed or ends in an error is a row of the table, and fails nothing.
from pipeline.contrib.finders.libraries import PINS
from pipeline.workflow.code import needs


wildcard_constraints:
    problem="[A-Za-z0-9_]+-[A-Za-z0-9_]+",


# The libraries outlive the results: they lie in .frameworks, and are installed again when the pins change.
rule finder_libraries:
    output:
        f"{results}/finders/installed.json",
    log:
        f"{results}/logs/finders/install.log",
    retries: 0
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        folder=".frameworks/finders",
        code=needs("pipeline.contrib.finders.libraries"),
        pins=PINS.read_text(encoding="utf-8"),
    message:
        "Install the libraries of the finders that are audited"
    shell:
        "python -m pipeline.contrib.finders install --folder {params.folder:q} --out {output:q} > {log:q} 2>&1"


# Timed: it holds the whole machine.
rule audit_finders:
    input:
        tables=expand(rules.collect.output, study="landscape"),
        installed=rules.finder_libraries.output,
    output:
        f"{results}/finders/{{problem}}.json",
    log:
        f"{results}/logs/finders/{{problem}}.log",
    conda:
        str(ENVIRONMENT)
    threads: cores
    params:
        study=lambda wildcards, input: str(Path(input.tables[0]).parent),
        data=f"{results}/data",
        libraries=".frameworks/finders",
        label=lambda wildcards: wildcards.problem.replace("-", " "),
        overrides=settings.overrides,
        code=needs("pipeline.contrib.finders.audit", "pipeline.contrib.finders.methods"),
    message:
        "Audit finders on {wildcards.problem}"
    shell:
        "python -m pipeline.contrib.finders audit {params.label:q} --study {params.study:q} --data-dir {params.data:q}"
        " --libraries {params.libraries:q} --installed {input.installed:q} --out {output:q} {params.overrides:q}"
        " > {log:q} 2>&1"


rule collect_finders:
    input:
        lambda wildcards: expand(
            rules.audit_finders.output,
            problem=dict.fromkeys(
                cell.label.replace(" ", "-") for cell in jobs.study("landscape").cells
            ),
        ),
    output:
        inputs.measured("finders"),
    log:
        f"{results}/logs/finders/collect.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        code=needs("pipeline.measure.table"),
    message:
        "Collect the audit of finders"
    shell:
        "python -m pipeline.contrib.finders collect {input:q} --out {output:q} > {log:q} 2>&1"


rule draw_finders:
    input:
        rules.collect_finders.output,
    output:
        multiext(f"{results}/figures/measure_finders", ".svg", ".png", ".txt"),
    log:
        f"{results}/logs/finders/draw.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        out=subpath(output[0], parent=True),
        code=needs("pipeline.contrib.finders.figure"),
    message:
        "Draw the audit of finders"
    shell:
        "python -m pipeline.contrib.finders draw {input:q} --out {params.out:q} > {log:q} 2>&1"


rule finders:
    input:
        rules.collect_finders.output,
        rules.draw_finders.output,
    localrule: True
