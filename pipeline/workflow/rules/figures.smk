rule figures:
    input:
        tables=expand(rules.collect.output, study=lab.default_studies),
        measured=rules.measure.input,
        data=lab.default_data,
        step_cost=lab.step_cost,
        code=lab.code("figures"),
    output:
        captions=f"{results}/figures/captions.json",
        pictures=[
            report(
                path,
                caption="../../report/captions/figure.rst",
                category="Figures",
                subcategory=origin,
                labels={"figure": title},
            )
            for path, title, origin in lab.pictures
        ],
    log:
        f"{results}/logs/figures.log",
    localrule: True
    conda:
        "../../../environment.yml"
    params:
        out=subpath(output.captions, parent=True),
        studies=lab.folders(lab.default_studies),
        step_cost=lambda wildcards, input: [
            f"--step-cost={table}" for table in input.step_cost
        ],
        measured=lambda wildcards, input: [
            f"--measured={table}" for table in [*input.measured, *lab.opted_in]
        ],
        opted_in=lab.opted_in_digest,
    shell:
        "python -m pipeline.figures --out {params.out:q} --data {input.data:q} {params.step_cost:q}"
        " {params.measured:q}"
        " {params.studies:q} > {log:q} 2>&1"
