# fetch -> whiten -> {train (jobs) -> collect, measure} -> {track, figures, claims} -> report
#
#   snakemake --cores 8                # everything: tables, MLflow, figures, report
#   snakemake --cores 8 textbook       # the tables of one study
#   snakemake --cores 8 measure        # the measurements of this machine
#   snakemake --cores 8 frameworks     # the chapter in MXNet, TensorFlow, PyTorch and JAX, and their environments
#   snakemake --cores 8 finders        # how people find a batch size and a learning rate, against the best
#   snakemake --cores 8 referee        # what ten seeds leave open, with 200
#   snakemake --cores 8 extend         # train beyond the ranges whose best learning rate lies on the border
#   snakemake --cores 8 --config 'overrides=[epochs=4]'
from snakemake.utils import min_version

from pipeline.lab.errors import exit_on_user_error
from pipeline.lab.paths import ENVIRONMENT, PACKAGE, RULES
from pipeline.workflow import ending
from pipeline.workflow.code import needs
from pipeline.workflow.inputs import Inputs
from pipeline.workflow.jobs import Jobs
from pipeline.workflow.lock import unlock_if_abandoned
from pipeline.workflow.settings import prepare_environment, read_settings

min_version("9.27")


report: f"{PACKAGE}/report/captions/workflow.rst"


with exit_on_user_error():
    settings = read_settings(config)

jobs, inputs = Jobs(settings), Inputs(settings)
studies = jobs.default_studies
results = settings.results
inputs.warn_of_twin()
unlock_if_abandoned()
prepare_environment()
# None without --cores, as for --summary or --dag, where nothing runs.
cores = workflow.resource_settings.cores or 1


wildcard_constraints:
    study="|".join(jobs.studies) or "none",
    data="[A-Za-z0-9_]+",
    whiten="standardize|zca|none",
    digest="[0-9a-f]{10}",
    round="[1-9][0-9]*",


include: f"{RULES}/fetch.smk"
include: f"{RULES}/whiten.smk"
include: f"{RULES}/digits.smk"
include: f"{RULES}/own_table.smk"
include: f"{RULES}/train.smk"
include: f"{RULES}/collect.smk"
include: f"{RULES}/extend.smk"
include: f"{RULES}/measure.smk"
include: f"{RULES}/many_devices.smk"
include: f"{RULES}/figures.smk"
include: f"{RULES}/track.smk"
include: f"{RULES}/claims.smk"
include: f"{RULES}/referee.smk"
include: f"{RULES}/report.smk"
include: f"{RULES}/frameworks.smk"
include: f"{RULES}/finders.smk"


rule all:
    default_target: True
    input:
        rules.report.output,
        rules.log_runs.output,
        rules.log_figures.output,


onstart:
    ending.stop_jobs_on_signals()


onsuccess:
    targets = {job.name for job in workflow.dag.jobs}
    collected = {
        job.wildcards.study for job in workflow.dag.jobs if job.name == "collect"
    }
    logged = [
        Path(path)
        for job in workflow.dag.jobs
        if job.name in {"log_runs", "track"}
        for path in filter(None, [job.output.get("done"), job.params.get("done")])
    ]
    ending.print_last(
        [
            *ending.failed_cells(collected, results, jobs.of),
            *ending.earlier_runs(logged, results),
            *(ending.answers(results) if "report" in targets else []),
            *ending.mlflow_pages(logged),
            *([f"Open {results}/report.html"] if "report" in targets else []),
        ]
    )


onerror:
    ending.print_last(
        ending.failed_jobs(workflow.scheduler.failed)
        or ["stopped: start the same command again, what is finished is kept"]
    )
