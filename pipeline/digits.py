"""Handwritten digits as PNG files: written once, and decoded item by item.

The images are those that scikit-learn carries: the test part of "Optical Recognition of Handwritten Digits"
(Alpaydin and Kaynak, UCI 80), 1797 images of 8x8 pixels with 17 levels of grey. Every fifth is held out, so the
same people's digits are in both parts. Were the last fifth held out, people unseen in training among them, the same
network would reach about 94 % instead of 98 %.
"""

import argparse
import csv
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from pipeline.errors import UserError, exit_on_user_error

SPLITS = ("train", "test")
#: Every so many images, one is held out.
HELD_OUT = 5
_LABELS = "labels.csv"


def write_digits(folder: Path) -> None:
    """Write the digits as PNG files, whole or not at all.

    Parameters
    ----------
    folder : Path
        Will hold ``train`` (1437 images) and ``test`` (360), each with ``labels.csv``: columns ``file`` and
        ``digit``. A folder that is there already is left as it is.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    if folder.exists():
        return
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        _write_splits(temporary)
        os.replace(temporary, folder)  # noqa: PTH105  (the name says that it is atomic)
    except OSError as error:
        if not folder.is_dir():  # else another process was quicker: what it wrote is the same
            raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_splits(folder: Path) -> None:
    from sklearn.datasets import load_digits  # here, because only the first use needs it

    bunch = load_digits()
    held_out = np.arange(len(bunch.images)) % HELD_OUT == 0
    for split, chosen in zip(SPLITS, (~held_out, held_out), strict=True):
        (folder / split).mkdir()
        with (folder / split / _LABELS).open("w", newline="", encoding="utf-8") as labels:
            rows = csv.writer(labels, lineterminator="\n")
            rows.writerow(["file", "digit"])
            for number in np.flatnonzero(chosen):
                name = f"{number:04d}.png"
                levels = np.rint(bunch.images[number] * (255 / 16)).astype(np.uint8)
                Image.fromarray(levels).save(folder / split / name)
                rows.writerow([name, int(bunch.target[number])])


class ImageDataset(Dataset[tuple[torch.Tensor, int]]):
    """A folder of images whose files are decoded one by one, when they are asked for.

    Parameters
    ----------
    folder : Path
        As :func:`write_digits` writes it.
    split : str
        ``train`` or ``test``.

    Raises
    ------
    UserError
        If there is no such folder.
    """

    def __init__(self, folder: Path, split: str) -> None:
        try:
            with (folder / split / _LABELS).open(newline="", encoding="utf-8") as labels:
                rows = list(csv.DictReader(labels))
            self.files = [str(folder / split / row["file"]) for row in rows]
            self.digits = [int(row["digit"]) for row in rows]
        except (OSError, KeyError, ValueError) as error:
            raise UserError(
                f"{folder} is not a folder of digits ({error}): write it with python -m pipeline.digits"
            ) from None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, item: int) -> tuple[torch.Tensor, int]:
        """Decode one image.

        Parameters
        ----------
        item : int
            Its number.

        Returns
        -------
        image : Tensor of float32, shape (1, 8, 8)
            From -1 to 1: centred inputs are learnt from faster.
        digit : int
            What it shows.
        """
        with Image.open(self.files[item]) as image:
            pixels = np.asarray(image, dtype=np.float32)
        return torch.from_numpy(pixels / 127.5 - 1).unsqueeze(0), self.digits[item]


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Write the digits and print the folder.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(prog="python -m pipeline.digits", description="Write the digits as PNG files.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    options = parser.parse_args(arguments)
    write_digits(options.out)
    print(options.out)


if __name__ == "__main__":
    main()
