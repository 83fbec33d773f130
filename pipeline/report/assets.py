"""Style and scripts, as they stand inside the page, and the policy that lets nothing else in."""

import base64
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Assets:
    """What the page carries along.

    Parameters
    ----------
    style : str
        CSS.
    scripts : tuple of str
        JavaScript: Vega, Vega-Lite and Vega-Embed in one bundle, then the page's own.
    """

    style: str
    scripts: tuple[str, ...]

    @property
    def policy(self) -> str:
        """The Content-Security-Policy: no request, no script but these two, by their SHA-256, and no ``eval``.

        Vega usually turns its expressions into functions, which needs ``unsafe-eval``. The bundle has
        vega-interpreter too, which evaluates their syntax trees instead; the page's script asks for it (``ast``).
        Vega-Embed and its tooltip write style elements and attributes: hence ``unsafe-inline``, for styles only.
        """
        hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in self.scripts)
        return (
            f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        )


@functools.cache
def assets() -> Assets:
    """Read them."""
    # No end tag may stand in a script; what the page carries is trusted, and this says so if that ever changes.
    scripts = tuple(
        script.replace("</script", "<\\/script")
        for script in (_vega(), (FOLDER / "report.js").read_text(encoding="utf-8"))
    )
    return Assets((FOLDER / "report.css").read_text(encoding="utf-8"), scripts)


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _vega() -> str:
    import vl_convert

    return vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub asks for what has a default
