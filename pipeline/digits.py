"""Real images: scikit-learn's handwritten digits as PNG files, and a data set that decodes them one by one.

``python -m pipeline.digits --out DIR`` writes the files once. 1,797 grey images of 8 x 8 pixels, from the
optical recognition of handwritten digits data set.

References
----------
Alpaydin, Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
DOI 10.24432/C50P49, CC BY 4.0.
"""

import argparse
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from pipeline.errors import UserError, exit_on_user_error

#: Beside the images: one line each, ``FILE LABEL``, in the order of the source.
INDEX = "labels.txt"
#: The source's pixels go from 0 to 16, those of a PNG file from 0 to 255.
_LEVELS = 16


class ImageDataset(Dataset[tuple[torch.Tensor, int]]):
    """Images of a folder, read and decoded whenever one is asked for.

    Parameters
    ----------
    folder : Path
        With PNG files and ``labels.txt``, as written by :func:`write_digits`.

    Attributes
    ----------
    files : list of Path
        The images.
    labels : list of int
        Their classes.

    Raises
    ------
    UserError
        If the folder has no readable ``labels.txt``.
    """

    def __init__(self, folder: Path) -> None:
        try:
            lines = [line.split() for line in (folder / INDEX).read_text(encoding="utf-8").splitlines()]
            self.files = [folder / name for name, _ in lines]
            self.labels = [int(label) for _, label in lines]
        except OSError:
            raise UserError(f"{folder / INDEX} cannot be read: write it with python -m pipeline.digits") from None
        except ValueError:
            raise UserError(f"{folder / INDEX} is not a list of images: delete {folder} and write it again") from None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.files[index]) as image:
            pixels = np.asarray(image, dtype=np.float32)
        return torch.from_numpy(pixels / 255.0).unsqueeze(0), self.labels[index]

    def decoded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Decode every image at once.

        Returns
        -------
        images : Tensor of float32, shape (n, 1, height, width)
            From 0 to 1.
        labels : Tensor of int64, shape (n,)
        """
        return torch.stack([self[index][0] for index in range(len(self))]), torch.tensor(self.labels)


def write_digits(folder: Path) -> Path:
    """Write scikit-learn's digits as PNG files, all of them or none; a folder that is there is left alone.

    Parameters
    ----------
    folder : Path
        Where they go.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    if (folder / INDEX).is_file():
        return folder
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / _LEVELS)).astype(np.uint8)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        names = [f"{number:04d}.png" for number in range(len(pixels))]
        for name, image in zip(names, pixels, strict=True):
            Image.fromarray(image).save(temporary / name)
        index = "".join(f"{name} {label}\n" for name, label in zip(names, digits.target, strict=True))
        (temporary / INDEX).write_text(index, encoding="utf-8")
        if folder.is_dir():
            folder.rmdir()  # only if it is empty: nothing of anyone's is thrown away
        temporary.rename(folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Write the images and print the folder.

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
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of the images")
    print(write_digits(parser.parse_args(arguments).out))


if __name__ == "__main__":
    main()
