"""Print where the Snakefile is: ``snakemake -s $(python -m pipeline.workflow) --directory .``."""

from pipeline.lab.paths import SNAKEFILE

if __name__ == "__main__":
    print(SNAKEFILE)
