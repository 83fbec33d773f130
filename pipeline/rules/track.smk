# The store and the experiment exist before anyone writes: writers that meet a fresh SQLite file at
# the same moment break each other's schema.
rule store:
    input:
        code=lab.code("track"),
    output:
        f"{results}/track/store.json",
    log:
        f"{results}/logs/track/store.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        uri=lab.tracking_uri,
    shell:
        "python -m pipeline.track --init --uri {params.uri:q} --done {output:q} > {log:q} 2>&1"


rule log_runs:
    input:
        store=ancient(rules.store.output),
        tables=expand(rules.collect.output, study=lab.default_studies),
        code=lab.code("track"),
    output:
        f"{results}/track/logged.json",
    log:
        f"{results}/logs/track/log_runs.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        uri=lab.tracking_uri,
        studies=expand(f"{results}/{{study}}", study=lab.default_studies),
    shell:
        "python -m pipeline.track --uri {params.uri:q} {params.studies:q} --done {output:q} > {log:q} 2>&1"


# Has no output, so it always runs: after mlflow.db was deleted, this rebuilds it from the tables.
rule track:
    input:
        tables=rules.log_runs.input.tables,
    log:
        f"{results}/logs/track/track.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        uri=lab.tracking_uri,
        studies=rules.log_runs.params.studies,
        done=rules.log_runs.output,
    shell:
        "python -m pipeline.track --uri {params.uri:q} {params.studies:q} --done {params.done:q} 2>&1 | tee {log:q}"
