"""Where the lab's own files are: the package, the configuration and the workflow."""

from pathlib import Path

#: The package's folder.
PACKAGE = Path(__file__).resolve().parents[1]
#: The folder that holds the package.
ROOT = PACKAGE.parent
#: The folder of the configuration files: in an installed package it lies inside the package.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else ROOT / "conf"
#: The workflow.
SNAKEFILE = PACKAGE / "workflow" / "rules" / "Snakefile"
