from pipeline.measure import PROCESSES, measurement, measurements

# What is timed holds the whole machine, so that nothing runs beside it. By priority it comes after what it could
# otherwise meet half-way, because a core would be idle meanwhile, and before logging, drawing and reporting, which fill
# both cores at the end. One rule a measurement: measure_epoch_metric, measure_gradient_noise, ...
for name, measured in measurements().items():
    if not measured.repeated:

        rule:
            name:
                f"measure_{name}"
            input:
                **inputs.measure([name]),
            output:
                inputs.measured(name),
            log:
                f"{results}/logs/measure/{name}.log",
            priority: 1.5 if measured.timed else 2
            conda:
                "../../../environment.yml"
            threads: cores if measured.timed else 1
            params:
                name=name,
                options=inputs.measure_options,
                columns=[*measured.columns.items()],
                code=needs(
                    "pipeline.measure.__main__",
                    inputs.measurement_file(name),
                    apart=("pipeline.fetch", "pipeline.whiten"),
                ),
            message:
                f"Measure: {name.replace('_', ' ')}"
            shell:
                "python -m pipeline.measure {params.name:q} --out {output:q} {params.options:q} > {log:q} 2>&1"


# How one process differs from the next is part of the error of a time. So some are measured by a process before what is
# timed of the studies, one after it, and one at the end; each adds its rows to those before. A process measures all of
# them, because starting it takes seconds.
for group, names in inputs.repeated.items():
    for process in range(1, PROCESSES + 1):

        rule:
            name:
                f"measure_{group}_{process}"
            input:
                **inputs.measure(names, process),
            output:
                [inputs.measured(name, process) for name in names],
            log:
                f"{results}/logs/measure/{group}_{process}.log",
            priority: {1: 2.5, PROCESSES: 1}.get(process, 1.8)
            conda:
                "../../../environment.yml"
            threads: cores
            params:
                names=names,
                options=inputs.measure_options,
                also=inputs.also(names),
                columns=[[*measurement(name).columns.items()] for name in names],
                code=needs(
                    "pipeline.measure.__main__",
                    *[inputs.measurement_file(name) for name in names],
                    apart=("pipeline.fetch", "pipeline.whiten"),
                ),
            message:
                f"Measure: {', '.join(names).replace('_', ' ')}; process {process} of {PROCESSES}"
            shell:
                "python -m pipeline.measure {params.names:q} --out {output:q} {params.options:q} {params.also:q}"
                " > {log:q} 2>&1"

    for name in names:

        rule:
            name:
                f"measure_{name}"
            input:
                inputs.measured(name),
            localrule: True


rule measure:
    input:
        [inputs.measured(name) for name in inputs.measurements],
    localrule: True
