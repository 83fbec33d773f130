"""Counts the generated cases, so that their number is one that was seen."""

from collections import Counter

import pytest

from tests.inputs.door import Door

_TOLD = {"refused": "refused with one sentence", "ran": "run"}


@pytest.fixture
def door(tmp_path, monkeypatch, request):
    """The commands, called in this process, in an empty folder; what became of each case is counted."""
    monkeypatch.delenv("AIRFOIL_DATA", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    door = Door(tmp_path / "cwd")
    yield door
    request.node.user_properties.append(("cases", dict(door.counts)))


def pytest_terminal_summary(terminalreporter):
    """Print how many cases were refused and run; it works with pytest-xdist too."""
    total = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "teardown" or not hasattr(report, "user_properties"):
                continue
    for report in (one for key in ("", "passed", "failed") for one in terminalreporter.stats.get(key, [])):
        if report.when == "teardown":
            total.update(dict(report.user_properties).get("cases", {}))
    if total:
        told = ", ".join(f"{count:,} {_TOLD[name]}" for name, count in sorted(total.items()))
        terminalreporter.write_line(f"{sum(total.values()):,} generated inputs: {told}")
