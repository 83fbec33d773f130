"""Where the lab's own files are: the package, the configuration and the workflow.

In a checkout some lie beside the package; an installed package has its own copies (see ``setup.py``).
"""

from pathlib import Path

#: The package's folder.
PACKAGE = Path(__file__).resolve().parents[1]
#: The folder that holds the package.
ROOT = PACKAGE.parent
#: The rules of the workflow.
RULES = PACKAGE / "workflow" / "rules"


def _own(installed: Path, beside: Path) -> Path:
    return installed if installed.exists() else beside


#: The folder of the configuration files.
CONF = _own(PACKAGE / "conf", ROOT / "conf")
#: The workflow.
SNAKEFILE = _own(RULES / "Snakefile", ROOT / "Snakefile")
#: Where the lab's data lie: in a checkout below its root, else below the working folder.
DATA = (ROOT if CONF.parent == ROOT else Path()) / "results" / "data"
#: What conda installs, for rules that run in an environment of their own.
ENVIRONMENT = _own(RULES / "environment.yml", ROOT / "environment.yml")
