"""MLflow's own pages answer "which lr is best for adam at b 32": real `mlflow ui`, real browser."""

import json

import matplotlib.image
import pytest
from track_stores import Server
from track_tables import one_cell, tables

from pipeline.lab.tables import CURVES, RUNS, write_table
from pipeline.track.__main__ import main

pytestmark = pytest.mark.slow

#: Final loss by lr: the best is neither the first nor the last, and one diverges.
LOSSES = {0.001: 0.44, 0.003: 0.33, 0.01: 0.243, 0.03: 0.25, 0.1: 0.29, 3.0: float("inf")}
#: The last one diverged and has no final loss.
BEST_FIRST = [f"adam b=32 lr={lr:g}" for lr in (0.01, 0.03, 0.1, 0.003, 0.001, 3)]
DIGEST = "7" * 36
FILTER = 'tags.study = "sweep" and params.optimizer = "adam" and params.batch_size = "32"'


@pytest.fixture
def tab(chromium):
    """A tab, and the context in which a link may open another."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(120_000)  # a shared machine may be slow
    page = context.new_page()
    yield page, context
    context.close()


@pytest.fixture(scope="module")
def ui(tmp_path_factory):
    """`mlflow ui` on a store that the command has logged a study and its figure to."""
    folder = tmp_path_factory.mktemp("ui")
    cells = [
        one_cell("sweep", f"{name}-{lr}", (loss, loss), batch_size=b, optimizer=name, lr=lr)
        for name, b, factor in (("adam", 32, 1.0), ("adam", 100, 1.1), ("sgd", 32, 0.99))
        for lr, loss in ((lr, factor * loss) for lr, loss in LOSSES.items())
    ]
    runs, curves = tables(*(named(cell, number) for number, cell in enumerate(cells)))
    write_table(runs, RUNS, folder / "sweep" / "runs.parquet")
    write_table(curves, CURVES, folder / "sweep" / "curves.parquet")
    figure = {"name": "heat", "title": "Heatmap", "study": "sweep", "caption": "Darker is better.", "png": "heat.png"}
    (folder / "figures").mkdir()
    matplotlib.image.imsave(folder / "figures" / "heat.png", [[0.0, 1.0], [1.0, 0.0]])
    (folder / "figures" / "captions.json").write_text(json.dumps([figure]))
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    figures = str(folder / "figures" / "captions.json")
    done = folder / "done.json"
    words = ["--uri", uri, "--figures", figures, "--data", str(folder / "data"), "--done", str(done)]
    main([str(folder / "sweep"), *words])
    server = Server(folder, uri)
    server.address = json.loads(done.read_text())["sweep"]["address"]
    yield server
    server.close()


def named(cell, number):
    """Cells that differ in nothing but their batch size still need ids of their own."""
    return tuple(table.assign(cell_id=f"c{number}") for table in cell)


#: The table moves its rows about and leaves them where they are in the document, so they are told by their number.
NAMES = """links => links
    .map(link => [Number(link.closest("[row-index]").getAttribute("row-index")), link.innerText])
    .sort((one, other) => one[0] - other[0])
    .map(([, name]) => name)"""


def names_of(page):
    """The runs' names, from the top of the table."""
    links = page.locator('[row-index] a[href*="/runs/"]')
    links.first.wait_for()
    return links.evaluate_all(NAMES)


def when_first(page, name):
    """Wait until this run is at the top."""
    page.locator('[row-index="0"] a[href*="/runs/"]').get_by_text(name, exact=True).wait_for()


def search(page, text):
    box = page.get_by_test_id("search-box")
    box.fill(text)
    box.press("Enter")


def test_three_clicks_find_the_best_learning_rate(tab, ui):
    page, context = tab
    page.goto(ui.uri)
    page.get_by_text("Model training", exact=True).click()
    page.get_by_role("link", name="minibatch-lab").first.click()
    assert names_of(page) == ["study sweep"]  # its cells are folded below it
    link = page.get_by_role("link", name="Which learning rate is best for adam at batch size 32?")
    with context.expect_page() as opened:  # MLflow opens the links of a description in a new tab
        link.click()
    page = opened.value
    page.get_by_text(f"{len(LOSSES)} matching runs").wait_for()
    assert names_of(page) == BEST_FIRST


def test_the_address_that_logging_ends_with_opens_the_studys_cells_the_lowest_loss_first(tab, ui):
    page, _ = tab
    page.goto(ui.address.replace("http://127.0.0.1:5000", ui.uri))
    page.get_by_text(f"{3 * len(LOSSES)} matching runs").wait_for()
    assert names_of(page)[:3] == ["sgd b=32 lr=0.01", "adam b=32 lr=0.01", "sgd b=32 lr=0.03"]
    shown = page.locator("[role=columnheader][col-id]").evaluate_all(
        "all => all.map(one => one.getAttribute('col-id'))"
    )
    assert {"metrics.`summary/final_loss`", "params.`batch_size`", "params.`lr`"} <= {*shown}


def test_the_runs_can_be_searched_sorted_and_compared_by_hand(tab, ui):
    page, _ = tab
    page.goto(f"{ui.uri}/#/experiments/1/runs?workflowType=machine_learning")
    search(page, FILTER)
    page.get_by_text(f"{len(LOSSES) + 1} matching runs").wait_for()  # folded below their study, until they are sorted
    assert names_of(page) == ["study sweep"]
    page.get_by_role("button", name="Sort").click()
    page.get_by_role("menu").get_by_text("summary/final_loss", exact=True).click()
    when_first(page, "adam b=32 lr=0.001")  # downwards
    page.get_by_text(f"{len(LOSSES)} matching runs").wait_for()
    page.get_by_role("button", name="Sort").click()
    page.get_by_test_id("sort-select-asc").click()
    when_first(page, "adam b=32 lr=0.01")
    assert names_of(page) == BEST_FIRST
    for row in (0, 1):
        page.locator(f'[row-index="{row}"] .ag-checkbox-input-wrapper').click()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/compare-runs?**")
    page.get_by_text("Comparing 2 Runs").first.wait_for()
    said = page.locator("body").inner_text()
    assert all(name in said for name in BEST_FIRST[:2])
    assert "0.243" in said and "0.25" in said


def test_the_studys_figure_is_an_artifact_of_its_summary_run(tab, ui):
    page, _ = tab
    page.goto(f"{ui.uri}/#/experiments/1/runs?workflowType=machine_learning")
    search(page, 'tags.kind = "summary" and tags.study = "sweep"')
    page.get_by_role("link", name="study sweep").click()
    page.get_by_text("Darker is better.").first.wait_for()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("figures", exact=True).first.click()
    page.get_by_text("heat.png").first.click()
    page.locator("img[src^='blob:'], img[alt='heat.png'], .image-outer-container img").first.wait_for()


def test_a_run_shows_the_data_set_it_was_trained_on(tab, ui):
    page, _ = tab
    page.goto(f"{ui.uri}/#/experiments/1/runs?workflowType=machine_learning")
    search(page, FILTER)
    page.get_by_role("button", name="Sort").click()
    page.get_by_role("menu").get_by_text("summary/final_loss", exact=True).click()
    page.get_by_text(f"airfoil ({DIGEST})").first.wait_for()
