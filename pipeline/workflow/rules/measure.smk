from pipeline.measure import measurements

# One rule a measurement: measure_vectorisation, measure_memory, ... What is timed holds the whole
# machine, so that nothing runs beside it. By priority it comes after what it could otherwise meet half-way, because
# a core would be idle meanwhile, and before logging, drawing and reporting, which fill both cores at the end.
for name, measurement in measurements().items():

    rule:
        name:
            f"measure_{name}"
        input:
            **inputs.measure(name),
        output:
            inputs.measured(name),
        log:
            f"{results}/logs/measure/{name}.log",
        priority: 1 if measurement.timed else 2
        conda:
            "../../../environment.yml"
        threads: cores if measurement.timed else 1
        params:
            name=name,
            options=inputs.measure_options,
            also=inputs.also(name),
            columns=[*measurement.columns.items()],
            code=needs(
                "pipeline.measure.__main__",
                inputs.measurement_file(name),
                apart=("pipeline.fetch", "pipeline.whiten"),
            ),
        message:
            f"Measure: {name.replace('_', ' ')}"
        shell:
            "python -m pipeline.measure {params.name:q} {params.options:q} {params.also:q} --out {output:q} > {log:q} 2>&1"


rule measure:
    input:
        [inputs.measured(name) for name in inputs.measurements],
    localrule: True
