"""The owner of MLflow runs: the folder of tables that they were written from."""

import getpass
import json
import platform
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.lab.errors import UserError
from pipeline.lab.files import locked

#: Beside the tables; says which runs in any MLflow store are theirs.
FILE = "mlflow-owner.json"


@dataclass(frozen=True)
class Owner:
    """A folder of tables, as its MLflow runs name it.

    Parameters
    ----------
    id : str
        Drawn at random once; stays with a folder that is moved or renamed within a file system. A copy gets another.
    folder : str
        For people: host and path. Two owners had the same where a folder was deleted and made again.
    """

    id: str
    folder: str

    @property
    def tags(self) -> dict[str, str]:
        """The tags of its runs, with those that MLflow shows as the user and the source."""
        tags = {"folder_id": self.id, "folder": self.folder}
        tags |= {"mlflow.source.name": "pipeline.train", "mlflow.source.type": "LOCAL"}
        with suppress(KeyError, OSError):  # the user of a container may have no name
            tags["mlflow.user"] = getpass.getuser()
        return tags


def owner_of(folder: Path) -> Owner:
    """Read who owns the runs of a folder's tables; draw an id where there is none, or where it is another folder's.

    The id is kept with the folder's inode, which a copy does not share: a copy must not remove the original's runs.

    Parameters
    ----------
    folder : Path
        With the tables.

    Raises
    ------
    UserError
        If the folder cannot be read or written.
    """
    try:
        inode = folder.stat().st_ino
        with locked(folder):  # one process at a time draws the id
            known = _read(folder / FILE)
            if known.get("inode") != inode or not isinstance(known.get("id"), str):
                known = {"id": uuid.uuid4().hex, "inode": inode}
                temporary = folder / f".{FILE}.tmp"  # not written_whole: it would wait for the lock that is held here
                temporary.write_text(json.dumps(known) + "\n", encoding="utf-8")
                temporary.replace(folder / FILE)
    except OSError as error:
        raise UserError(f"{folder} cannot be read or written: {error.strerror}") from None
    place = f"{platform.node()}:{folder.resolve().as_posix()}"
    # MLflow's searches know no other way to write a quote.
    return Owner(str(known["id"]), place.replace("%", "%25").replace("'", "%27"))


def _read(path: Path) -> dict[str, object]:
    """The file's content; empty where there is none, or none that can be read."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
