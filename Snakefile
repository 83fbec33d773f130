# The workflow is in pipeline/workflow/rules/Snakefile, so that an installed package has it too.
#
#   snakemake --cores 8                # everything: tables, MLflow, figures, report
#   snakemake --cores 8 textbook       # the tables of one study
#   snakemake --cores 8 --config 'overrides=[epochs=4]'
include: "pipeline/workflow/rules/Snakefile"


# An included file does not choose what a plain `snakemake` makes.
workflow.default_target = "all"
