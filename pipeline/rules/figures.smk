rule figures:
    input:
        tables=expand(rules.collect.output, study=lab.default_studies),
        measured=rules.measure.input,
        data=lab.default_data,
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
        studies=rules.log_runs.params.studies,
        measured=lambda wildcards, input: [
            f"--measured={table}" for table in input.measured
        ],
    shell:
        "python -m pipeline.figures --out {params.out:q} --data {input.data:q} {params.measured:q}"
        " {params.studies:q} > {log:q} 2>&1"
