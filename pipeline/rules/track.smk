# The store and the experiment exist before anyone writes: writers that meet a fresh SQLite file at
# the same moment break each other's schema. Its address is read from MLFLOW_TRACKING_URI by the command
# itself: it may hold a password, which belongs in no log.
rule store:
    input:
        code=lab.code("track"),
    output:
        f"{results}/track/store.json",
    log:
        f"{results}/logs/track/store.log",
    priority: 1
    localrule: True
    conda:
        "../../environment.yml"
    params:
        store=lab.tracking_store,
    shell:
        "python -m pipeline.track --init --done {output:q} > {log:q} 2>&1"


rule log_runs:
    input:
        store=ancient(rules.store.output),
        runs=rules.collect.output.runs,
        curves=rules.collect.output.curves,
        code=lab.code("track"),
    output:
        f"{results}/track/{{study}}.json",
    log:
        f"{results}/logs/track/{{study}}.log",
    priority: 1
    localrule: True
    conda:
        "../../environment.yml"
    params:
        store=lab.tracking_store,
        study=subpath(input.runs, parent=True),
    shell:
        "python -m pipeline.track {params.study:q} --done {output:q} > {log:q} 2>&1"


# Has no output, so it always runs: after mlflow.db was deleted, this rebuilds it from the tables.
rule track:
    input:
        tables=expand(rules.collect.output, study=lab.default_studies),
    log:
        f"{results}/logs/track/track.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        studies=lab.folders(lab.default_studies),
        done=f"{results}/track/track.json",
    shell:
        "python -m pipeline.track {params.studies:q} --done {params.done:q} 2>&1 | tee {log:q}"
