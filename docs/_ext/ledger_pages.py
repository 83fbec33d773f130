"""A page for each claim, cut out of the ledger that `make picture` writes."""

import re

_ENTRY = re.compile(r"^## (?P<id>[A-Z]\d+[a-z]?): (?P<text>.*)\n(?P<body>(?:(?!## ).*\n?)*)", re.MULTILINE)


def split_ledger(markdown: str) -> tuple[str, dict[str, str]]:
    """Cut the ledger into an index and a page a claim.

    Parameters
    ----------
    markdown : str
        ``docs/ledger.md``.

    Returns
    -------
    index : str
        Its introduction, a table of the claims with their outcomes, and what follows the claims.
    pages : dict
        A claim's id to its page.

    Raises
    ------
    ValueError
        If it has no claim, or one without an outcome.
    """
    found = list(_ENTRY.finditer(markdown))
    if not found:
        raise ValueError("docs/ledger.md has no claims: write it again with `make picture`")
    pages, rows = {}, []
    for entry in found:
        body = entry["body"].strip()
        outcome = re.match(r"\*\*(.+?)\*\*", body)
        if outcome is None:
            raise ValueError(f"docs/ledger.md: {entry['id']} has no outcome")
        pages[entry["id"]] = f"# {entry['id']}: {entry['text']}\n\n{body}\n"
        rows.append(f"| [{entry['id']}](generated/claims/{entry['id']}.md) | {entry['text']} | {outcome[1]} |")
    listed = "\n".join(f"generated/claims/{name}" for name in pages)
    table = "\n".join(["| claim | in our words | outcome |", "| --- | --- | --- |", *rows])
    toctree = f"```{{toctree}}\n:hidden:\n\n{listed}\n```"
    before, after = markdown[: found[0].start()].strip(), markdown[found[-1].end() :].strip()
    return f"{before}\n\n{table}\n\n{toctree}\n\n{after}\n", pages
