"""What the wheel has besides the packages that pyproject.toml names: files that lie beside them in a checkout."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

#: File or folder of the checkout: its place in the package; pipeline/lab/paths.py finds either.
PLACES = {
    "conf": "pipeline/conf",
    "Snakefile": "pipeline/workflow/rules/Snakefile",
    "profiles": "pipeline/workflow/rules/profiles",
    "environment.yml": "pipeline/workflow/rules/environment.yml",
}


class Build(build_py):
    """Copies them."""

    def run(self):
        """Build the packages, then copy; an editable installation uses the checkout's own."""
        super().run()
        if self.editable_mode:
            return
        for source, place in PLACES.items():
            target = Path(self.build_lib, place)
            shutil.rmtree(target, ignore_errors=True)
            (shutil.copytree if Path(source).is_dir() else shutil.copy)(source, target)


setup(cmdclass={"build_py": Build})
