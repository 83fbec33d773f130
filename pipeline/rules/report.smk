rule report:
    input:
        figures=rules.figures.output,
        tables=rules.figures.input.tables,
        data=rules.figures.input.data,
        code=lab.code("report"),
    output:
        f"{results}/report.html",
    log:
        f"{results}/logs/report.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        figures=f"{results}/figures",
        studies=lab.folders(lab.default_studies),
    shell:
        "python -m pipeline.report --out {output:q} --figures {params.figures:q} --data {input.data:q}"
        " {params.studies:q} > {log:q} 2>&1"
