# fetch -> whiten -> {train (jobs) -> collect, measure} -> {track, figures, claims} -> report
#
#   snakemake --cores 8                # everything: tables, MLflow, figures, report
#   snakemake --cores 8 textbook       # the tables of one study
#   snakemake --cores 8 measure        # the measurements of this machine
#   snakemake --cores 8 frameworks     # the chapter in MXNet, TensorFlow, PyTorch and JAX, and their environments
#   snakemake --cores 8 extend         # train beyond the ranges whose best learning rate lies on the border
#   snakemake --cores 8 --config 'overrides=[epochs=4]'
from snakemake.utils import min_version

from pipeline.workflow.lock import unlock_if_abandoned
from pipeline.lab.errors import exit_on_user_error
from pipeline.workflow.lab import Lab

min_version("9.27")


report: "pipeline/report/captions/workflow.rst"


with exit_on_user_error():
    lab = Lab(config)

lab.warn_of_twin()
unlock_if_abandoned()
results = lab.results
shell.prefix(f"export PATH={lab.path}:$PATH MLFLOW_DISABLE_TELEMETRY=true; ")


wildcard_constraints:
    study="|".join(lab.studies) or "none",
    data="[A-Za-z0-9_]+",
    whiten="standardize|zca|none",
    round="[1-9][0-9]*",


include: "pipeline/workflow/rules/fetch.smk"
include: "pipeline/workflow/rules/whiten.smk"
include: "pipeline/workflow/rules/digits.smk"
include: "pipeline/workflow/rules/train.smk"
include: "pipeline/workflow/rules/collect.smk"
include: "pipeline/workflow/rules/extend.smk"
include: "pipeline/workflow/rules/measure.smk"
include: "pipeline/workflow/rules/many_devices.smk"
include: "pipeline/workflow/rules/figures.smk"
include: "pipeline/workflow/rules/track.smk"
include: "pipeline/workflow/rules/claims.smk"
include: "pipeline/workflow/rules/report.smk"
include: "pipeline/workflow/rules/frameworks.smk"


rule all:
    default_target: True
    input:
        rules.report.output,
        rules.log_runs.output,
        rules.log_figures.output,
