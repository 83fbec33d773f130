rule figures:
    input:
        tables=expand(rules.collect.output, study=lab.default_studies),
        data=lab.default_data,
        step_cost=lab.step_cost,
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
        step_cost=lambda wildcards, input: (
            ["--step-cost", *input.step_cost] if input.step_cost else []
        ),
    shell:
        "python -m pipeline.figures --out {params.out:q} --data {input.data:q} {params.step_cost:q}"
        " {params.studies:q} > {log:q} 2>&1"
