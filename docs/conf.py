"""The documentation site: `make docs`. Nothing is fetched; each warning is an error."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS.parent)]  # the lab itself need not be installed
# The copies of the notebooks are executed elsewhere than beside the lab.
os.environ["PYTHONPATH"] = str(DOCS.parent)

project = "minibatch-lab"
author = "the maintainers of minibatch-lab"
copyright = "the maintainers of minibatch-lab, MIT licence"  # noqa: A001 -- Sphinx's name

extensions = [
    "myst_nb",
    "sphinx_copybutton",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "lab_pages",
    "mathml",
]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more of them
napoleon_google_docstring = False
html_math_renderer = "mathml"
exclude_patterns = ["_build", "_ext", "Thumbs.db"]
html_theme = "pydata_sphinx_theme"
html_title = "minibatch-lab"
html_static_path = ["_static"]
html_css_files = ["site.css"]
# The whole contents beside every page, in the order of index.md.
html_sidebars = {"**": ["globaltoc"]}
html_theme_options = {
    "navbar_center": [],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
}
html_show_sourcelink = False

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4  # as GitHub makes them, so that links work in both places
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_show_tb = True
