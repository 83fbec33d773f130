"""The notebooks ask before they answer, run from either folder, and are kept without outputs."""

import ast
import json
import re
import shutil

import pytest
from conftest import ROOT

from pipeline.fetch.download import fetch
from pipeline.lab.config import compose_data
from pipeline.whiten.table import whiten_file

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
#: Of a whole notebook, on a processor of its own.
SECONDS = 60.0
#: A cell that computes for longer trains too much.
SECONDS_OF_A_CELL = 20.0
#: What folds an output in the documentation; elsewhere it is not there before the cell is run.
FOLDED = {"tags": ["hide-output"]}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text(cell):
    return "".join(cell["source"])


def test_all_four_are_there():
    assert [path.name for path in NOTEBOOKS] == [
        "01-minibatch-sgd.ipynb",
        "02-reading-a-sweep.ipynb",
        "03-theory-against-experiment.ipynb",
        "04-your-own-problem.ipynb",
    ]


@every_notebook
def test_outputs_are_stripped_and_ids_are_kept(path):
    notebook = read(path)
    for cell in code_cells(notebook):
        assert not cell["outputs"] and cell["execution_count"] is None, f"{path.name}: clear all outputs, then commit"
    for cell in notebook["cells"]:
        assert cell["metadata"] in ({}, FOLDED), f"{path.name}: a cell keeps what an editor or an execution left in it"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert ids == [f"{path.name[:2]}-{number:02d}" for number in range(len(ids))]


@every_notebook
def test_it_begins_with_its_question(path):
    first = read(path)["cells"][0]
    assert first["cell_type"] == "markdown"
    lines = text(first).splitlines()
    assert lines[0].startswith("# ") and lines[0].endswith("?")
    assert re.search(r"^\*\*The question\.\*\* [^#]+\?$", text(first), re.M)


@every_notebook
def test_the_reader_predicts_before_an_answer_is_shown_and_may_unfold_why(path):
    """A prediction, the cells that answer it, folded, and the reason, folded too; none of them without the others."""
    kinds = "".join(map(kind_of, read(path)["cells"]))
    assert re.fullmatch(r"[mc]*(PA+W[mc]*)*", kinds), kinds
    assert kinds.count("P") >= 3


def kind_of(cell):
    """P asks for a prediction, A answers it, W says why; m and c are other text and code."""
    if cell["cell_type"] == "code":
        return "A" if cell["metadata"] == FOLDED else "c"
    source = text(cell)
    if "<details>" in source:
        assert re.fullmatch(r"<details><summary>Why</summary>\n\n.+\n\n</details>", source, re.S), source
        return "W"
    if "**Predict" in source:
        assert re.search(r"^\*\*Predict\b[^#]+$", source, re.M), source
        return "P"
    return "m"


@every_notebook
def test_no_reason_holds_a_number_that_was_measured(path):
    """Decimals and shares come from cells; a text has settings and counts, which the notebook itself chooses."""
    for cell in read(path)["cells"]:
        if kind_of(cell) == "W":
            assert not re.findall(r"\d+\.\d{2,}", text(cell)), text(cell)


@every_notebook
def test_no_plumbing_comes_first(path):
    first = text(code_cells(read(path))[0]).splitlines()
    imports = [line for line in first if line.startswith(("import ", "from "))]
    assert len(imports) <= 3 and imports[-1] == "import pipeline"
    assert len([line for line in first if line]) == len(imports) + 2  # the magic, and where the lab is


@every_notebook
def test_cells_are_short(path):
    for cell in code_cells(read(path)):
        lines = [line for line in text(cell).splitlines() if line.strip()]
        assert len(lines) <= 16, text(cell)
        ast.parse("\n".join(line for line in lines if not line.startswith("%")))


@pytest.fixture
def lab(tmp_path):
    """A copy of what a notebook reads, with the twin where the whitened data would be: no network is needed."""
    for name in ("pipeline", "conf", "notebooks", "hydra_plugins"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    write_twin(tmp_path / "results" / "data" / "airfoil-standardize.parquet")
    return tmp_path


def write_twin(path):
    path.parent.mkdir(parents=True)
    config = compose_data(["data=airfoil_twin"])
    whiten_file(fetch(config, path.parent), path, config)


#: Put before and after a notebook's cells: what each of them computes, whatever else the machine is busy with.
CLOCK = """import time
CPU_SECONDS = []
get_ipython().events.register("pre_run_cell", lambda *_: CPU_SECONDS.append(-time.process_time()))
get_ipython().events.register(
    "post_run_cell", lambda *_: CPU_SECONDS and CPU_SECONDS.append(CPU_SECONDS.pop() + time.process_time())
)"""
READ_CLOCK = "import pipeline; print([CPU_SECONDS[:-1], pipeline.__file__])"


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["notebooks", "."], ids=["started in notebooks", "started in the root"])
@every_notebook
def test_the_notebook_runs(path, folder, lab, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    if folder == "." and path != NOTEBOOKS[0]:
        pytest.skip("all find the root in the same way")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(lab / folder)}}
    code = nbformat.v4.new_code_cell
    notebook.cells = [code(CLOCK), *notebook.cells, code(READ_CLOCK)]
    done = nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    seconds, package = ast.literal_eval(code_cells(done)[-1]["outputs"][0]["text"])
    assert str(lab) in package, "the lab beside the notebook, not one that is installed"
    assert len(seconds) == len(code_cells(done)) - 2
    assert 0 < max(seconds) < SECONDS_OF_A_CELL and sum(seconds) < SECONDS
    done.cells = done.cells[1:-1]
    answers = [cell for cell in code_cells(done) if cell["metadata"].get("tags")]
    assert all(cell["outputs"] for cell in answers), "each answer shows something"
    outputs = [output for cell in code_cells(done) for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert ("offline twin" in json.dumps(outputs)) == (path.stem != "04-your-own-problem")  # whose data need no network
    printed = {output["name"] for output in outputs if output["output_type"] == "stream"}
    assert printed == {"stdout"}, "nothing warns"
