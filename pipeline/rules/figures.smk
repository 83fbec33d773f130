rule figures:
    input:
        tables=expand(rules.collect.output, study=lab.default_studies),
        measured=rules.measure.input,
        data=lab.default_data,
        step_cost=lab.measured("step_cost"),
        code=lab.code("figures"),
    output:
        f"{results}/figures/captions.json",
    log:
        f"{results}/logs/figures.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        out=subpath(output[0], parent=True),
        studies=lab.folders(lab.default_studies),
        measured=lambda wildcards, input: [
            f"--measured={table}" for table in input.measured
        ],
    shell:
        "python -m pipeline.figures --out {params.out:q} --data {input.data:q} --step-cost {input.step_cost:q}"
        " {params.measured:q}"
        " {params.studies:q} > {log:q} 2>&1"
