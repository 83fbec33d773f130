# Opt-in: `snakemake referee`. What a plain run leaves open, decided with 200 seeds: minutes, not seconds. The next
# plain run decides the claims anew from these tables; `make referee` stores the verdicts for those who never make them.
rule referee:
    input:
        tables=expand(rules.collect.output, study=STUDIES),
        measured=inputs.measured("noise_scale"),
    output:
        f"{results}/referee.json",
    log:
        f"{results}/logs/referee.log",
    localrule: True
    conda:
        str(ENVIRONMENT)
    params:
        results=subpath(output[0], parent=True),
        ledger=inputs.ledger,
        code=needs("pipeline.contrib.referee", "pipeline.contrib.machine.statistic"),
    message:
        "Decide with many seeds what a plain run leaves open"
    shell:
        "python -m pipeline.contrib.referee --results {params.results:q} --out {output:q} 2>&1 | tee {log:q}"
