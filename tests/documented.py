"""The shell commands that the pages of the documentation hold."""

import re
from dataclasses import dataclass

from repository import ROOT

#: A record of what once failed: it quotes commands, and shows none.
RECORD = ROOT / "docs" / "dev" / "faults.md"
#: Folders of `make docs`: copies, and what commands say of themselves.
MADE = {"_build", "generated"}
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path != RECORD and not MADE & {*path.parts}),
]
#: A line or a code span is a command if it begins with one of these, after variables that it sets.
PROGRAMS = ("git", "make", "mlflow", "pip", "python", "snakemake")
_ASSIGNMENTS = r"(?:export )?(?:[A-Z_]+=\S*\s+)*"
_COMMAND = re.compile(rf"{_ASSIGNMENTS}(?:{'|'.join(PROGRAMS)})(?:\s|$)")


@dataclass(frozen=True)
class Command:
    """A command and the first page that has it."""

    text: str
    page: str


def commands() -> list[Command]:
    """Every command of every page, each once, in the order of the pages."""
    found: dict[str, Command] = {}
    for path in PAGES:
        page = path.relative_to(ROOT).as_posix()
        for text in commands_in(path.read_text(encoding="utf-8")):
            found.setdefault(text, Command(text, page))
    return list(found.values())


def commands_in(markdown: str) -> list[str]:
    """The commands of a page: lines of shell blocks, lines after a prompt, and code spans."""
    found = []
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", markdown, re.DOTALL | re.MULTILINE)
    for language, block in blocks:
        lines = block.replace("\\\n", " ").splitlines()
        if language not in ("bash", "sh", "console"):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        found += [re.sub(r"\s+#.*", "", line).strip() for line in lines]
    prose = re.sub(r"^```\w*\n.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    # A bare program's name in a sentence names the program; with an argument it is a command.
    found += [span for span in spans if " " in span or span == "make"]
    return [text for text in found if text and not text.startswith("#") and _is_command(text)]


def _is_command(text: str) -> bool:
    return all(_COMMAND.match(part.strip()) or part.strip().startswith(("cd ", ". ")) for part in text.split("&&")[:1])
