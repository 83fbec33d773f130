rule figures:
    input:
        tables=expand(rules.collect.output, study=lab.default_studies),
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
        studies=lab.folders(lab.default_studies),
    shell:
        "python -m pipeline.figures --out {params.out:q} --data {input.data:q} {params.studies:q} > {log:q} 2>&1"
