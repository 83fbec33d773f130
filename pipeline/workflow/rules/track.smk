# One job logs every study, because starting MLflow takes longer than logging most of them. It is the
# workflow's only writer and makes the store itself. The store's address is read from MLFLOW_TRACKING_URI
# by the command: it may hold a password, which belongs in no log. Nothing but the figures' own job below
# waits for it, so that a store that is down costs the workflow nothing but this one job. The best run of each study is
# trained again for its model, by the code that the tables hang on: it is left out of the digest.
rule log_runs:
    input:
        tables=expand(rules.collect.output, study=studies),
    output:
        done=f"{results}/track/runs.json",
        page=f"{results}/mlflow.html",
    log:
        f"{results}/logs/track/runs.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        store=inputs.tracking_store,
        code=needs("pipeline.track", apart=("pipeline.track.model",)),
        studies=jobs.folders(studies),
        data=f"{results}/data",
    message:
        "Log the runs of all studies to MLflow"
    shell:
        "python -m pipeline.track {params.studies:q} --data {params.data:q} --models --done {output.done:q}"
        " --page {output.page:q}"
        " > {log:q} 2>&1"


# The figures are drawn while the runs are logged. Their input is not `ancient`: where Snakemake makes such an input
# again, it looks no further at what hangs on it, and after a kill it would leave that unmade.
rule log_figures:
    input:
        runs=rules.log_runs.output.done,
        tables=expand(rules.collect.output, study=studies),
        figures=rules.figures.output[0],
    output:
        f"{results}/track/figures.json",
    log:
        f"{results}/logs/track/figures.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        store=inputs.tracking_store,
        code=needs("pipeline.track", apart=("pipeline.track.model",)),
        studies=jobs.folders(studies),
    message:
        "Log the figures to MLflow"
    shell:
        "python -m pipeline.track {params.studies:q} --only-summaries --figures {input.figures:q} --done {output:q}"
        " > {log:q} 2>&1"


# Has no output, so it always runs: it catches up with what a store that was down has missed, and rebuilds
# mlflow.db from the tables after that was deleted.
rule track:
    input:
        tables=expand(rules.collect.output, study=studies),
    log:
        f"{results}/logs/track/track.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        studies=jobs.folders(studies),
        data=f"{results}/data",
        figures=lambda wildcards: inputs.drawn,
        done=f"{results}/track/track.json",
        page=rules.log_runs.output.page,
    message:
        "Bring MLflow up to date with the tables"
    shell:
        "python -m pipeline.track {params.studies:q} --data {params.data:q} --models {params.figures:q}"
        " --done {params.done:q} --page {params.page:q} 2>&1 | tee {log:q}"
