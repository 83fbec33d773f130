"""``python docs/_ext/screenshot.py REPORT.html OUT.png``: photograph the report's first screen, for the README."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright


def photograph(report: Path, out: Path, width: int = 1440, height: int = 900) -> None:
    """Open a page in the system's Chromium and photograph what is seen without scrolling.

    Parameters
    ----------
    report : Path
        The page.
    out : Path
        A ``.png`` file.
    width, height : int
        Of the window, in CSS pixels.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        page.wait_for_load_state("networkidle")
        page.screenshot(path=out)
        browser.close()


if __name__ == "__main__":
    photograph(Path(sys.argv[1]), Path(sys.argv[2]))
    print(sys.argv[2])
