rule figures:
    input:
        tables=expand(rules.collect.output, study=studies),
        measured=rules.measure.input,
        step_cost=inputs.step_cost,
    output:
        captions=f"{results}/figures/captions.json",
        pictures=[
            report(
                directory(f"{results}/figures/{folder}"),
                patterns=["{figure}.svg"],
                caption="../../report/captions/figure.rst",
                category="Figures",
                subcategory=origin,
                labels={"figure": "{figure}"},
            )
            for folder, origin in inputs.pictures(studies)
        ],
    log:
        f"{results}/logs/figures.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        out=subpath(output.captions, parent=True),
        lang=settings.report_lang,
        studies=jobs.folders(studies),
        step_cost=lambda wildcards, input: [
            f"--step-cost={table}" for table in input.step_cost
        ],
        measured=lambda wildcards, input: [
            f"--measured={table}" for table in [*input.measured, *inputs.opted_in]
        ],
        opted_in=inputs.opted_in_digest,
        own=inputs.own("figure"),
        code=needs(
            "pipeline.figures",
            "pipeline.contrib.machine.figure",
            "pipeline.contrib.frameworks.figure",
            "pipeline.contrib.finders.figure",
            "pipeline.contrib.noise.figure",
            "pipeline.contrib.theory.figure",
        ),
    message:
        "Draw the figures"
    shell:
        "python -m pipeline.figures --out {params.out:q} --lang {params.lang:q} {params.step_cost:q}"
        " {params.measured:q}"
        " {params.studies:q} > {log:q} 2>&1"
