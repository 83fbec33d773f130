"""Sphinx extension: pages made from the lab itself, before Sphinx reads anything, below ``docs/generated``."""

from pathlib import Path

import ledger_pages
import reference
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]


def write_pages(app: Sphinx) -> None:
    """Write the reference, a page a claim and copies of the notebooks; remove what is no longer made."""
    folder = Path(app.srcdir) / "generated"
    _, claims = ledger_pages.split_ledger((Path(app.srcdir) / "ledger.md").read_text(encoding="utf-8"))
    pages = reference.pages() | {f"claims/{name}.md": text for name, text in claims.items()}
    pages |= {f"notebooks/{path.name}": path.read_text(encoding="utf-8") for path in NOTEBOOKS}
    for path in [path for path in folder.rglob("*.*") if path.relative_to(folder).as_posix() not in pages]:
        path.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:  # unchanged pages are not read again
            path.write_text(text, encoding="utf-8")


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cut_ledger(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Show the ledger as a table of its claims, which have a page each."""
    if docname == "ledger":
        source[0], _ = ledger_pages.split_ledger(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register both with Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", cut_ledger)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
