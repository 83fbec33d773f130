"""The notebooks run, from either folder, and are kept without outputs."""

import json
import shutil

import pytest
from conftest import ROOT

from pipeline.fetch.download import fetch
from pipeline.lab.config import compose_data
from pipeline.whiten.table import whiten_file

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
#: A cell that computes for longer trains too much.
SECONDS = 20.0


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_all_four_are_there():
    assert [path.name for path in NOTEBOOKS] == [
        "01-minibatch-sgd.ipynb",
        "02-reading-a-sweep.ipynb",
        "03-theory-against-experiment.ipynb",
        "04-your-own-problem.ipynb",
    ]


@every_notebook
def test_outputs_are_stripped(path):
    for cell in code_cells(json.loads(path.read_text(encoding="utf-8"))):
        assert not cell["outputs"] and cell["execution_count"] is None, f"{path.name}: clear all outputs, then commit"
        assert not cell["metadata"], f"{path.name}: a cell keeps what an editor or an execution left in it"


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
READ_CLOCK = "print(CPU_SECONDS[:-1])"


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["notebooks", "."], ids=["started in notebooks", "started in the root"])
@every_notebook
def test_the_notebook_runs(path, folder, lab):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    if folder == "." and path != NOTEBOOKS[0]:
        pytest.skip("all find the root in the same way")
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(lab / folder)}}
    code = nbformat.v4.new_code_cell
    notebook.cells = [code(CLOCK), *notebook.cells, code(READ_CLOCK)]
    done = nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    seconds = json.loads(code_cells(done)[-1]["outputs"][0]["text"])
    training = [
        any(call in cell["source"] for call in ("train_cells(", "pipeline.compare(")) for cell in code_cells(done)[1:-1]
    ]
    assert len(seconds) == len(training) and any(training)
    assert 0 < max(spent for spent, trains in zip(seconds, training, strict=True) if trains) < SECONDS
    done.cells = done.cells[1:-1]
    outputs = [output for cell in code_cells(done) for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert ("offline twin" in json.dumps(outputs)) == (path.stem != "04-your-own-problem")  # whose data need no network
    printed = {output["name"] for output in outputs if output["output_type"] == "stream"}
    assert printed == {"stdout"}, "nothing warns"
