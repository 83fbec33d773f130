# One rule a measurement: measure_vectorisation, measure_memory, ... What is timed holds the whole
# machine, so that nothing runs beside it. By priority it comes after what it could otherwise meet half-way, because
# a core would be idle meanwhile, and before logging, drawing and reporting, which fill both cores at the end.
for name, measurement in lab.measurements.items():

    rule:
        name:
            f"measure_{name}"
        input:
            **lab.measure_inputs(name),
            code=lab.measure_code(name),
        output:
            lab.measured(name),
        log:
            f"{results}/logs/measure/{name}.log",
        priority: 1 if measurement.timed else 2
        conda:
            "../../../environment.yml"
        threads: workflow.cores if measurement.timed else 1
        params:
            name=name,
            options=lab.measure_options,
        shell:
            "python -m pipeline.measure {params.name:q} {params.options:q} --out {output:q} > {log:q} 2>&1"


rule measure:
    input:
        [lab.measured(name) for name in lab.default_measurements],
    localrule: True
