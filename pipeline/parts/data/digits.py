"""Real images: scikit-learn's handwritten digits as PNG files, and a data set that decodes them one by one.

``python -m pipeline.parts.data.digits --out DIR`` writes the files once: 1,797 grey images of 8 x 8 pixels, the test
part of the optical recognition of handwritten digits data set. Every fifth is held out, so that the same people's
digits are in both parts: were the last fifth held out, which other people wrote, the lab's network would read 94 % of
them well and not 98 %.

References
----------
Alpaydin, Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
DOI 10.24432/C50P49, CC BY 4.0.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pipeline.lab import checks
from pipeline.lab.errors import UserError
from pipeline.lab.files import temporary_beside
from pipeline.lab.stage import Options, argument, command
from pipeline.parts.base import DataConfig

if TYPE_CHECKING:
    import torch
    from torch.utils.data import Dataset as TorchDataset

    from pipeline.lab.dataset import Dataset

    _Images = TorchDataset[tuple[torch.Tensor, int]]
else:
    _Images = object  # enough for a DataLoader, and the workflow, which reads this file, need not wait for torch

LOADINGS = ("tensors", "per_item")
SPLITS = ("train", "test")
#: One image in so many is held out, the first one among them.
HELD_OUT = 5
CLASSES = 10
#: Beside the images: one line each, ``FILE LABEL``, in the order of the source.
INDEX = "labels.txt"
#: The source's pixels go from 0 to 16, those of a PNG file from 0 to 255.
_LEVELS = 16


@dataclass
class Config(DataConfig):
    """Images of handwritten digits, a PNG file each.

    Parameters
    ----------
    loading : str
        ``tensors``: every file is decoded once, and minibatches are slices of one tensor on the device;
        ``per_item``: files are decoded each time they are drawn, through a DataLoader, inside the clock.
    workers : int
        Processes that decode; 0: the training process itself. Of ``per_item`` only, as what follows.
    prefetch : int or None
        Minibatches that each worker has ready; None: torch's default, 2.
    persistent : bool
        Keep the workers from one epoch to the next.
    """

    inputs: ClassVar[str] = "images"

    task: str = "classification"
    rows_total: int = 1437
    rows: int = 1437
    loading: str = "tensors"
    workers: int = 0
    prefetch: int | None = None
    persistent: bool = True

    @property
    def outputs(self) -> int:
        """The ten digits; a single value where ``data.task`` learns one."""
        from pipeline.parts import tasks

        return CLASSES if tasks.outputs(self.task) == "classes" else 1

    def __post_init__(self) -> None:
        """Check ranges, and that the workers have something to do."""
        super().__post_init__()
        checks.one_of("data.loading", self.loading, LOADINGS)
        checks.whole("data.workers", self.workers, least=0, most=256)
        if self.workers and self.loading == "tensors":
            raise UserError(
                f"data.workers={self.workers} is not allowed with data.loading=tensors, which loads nothing while it "
                "trains: add data.loading=per_item"
            )
        if self.prefetch is not None:
            checks.whole("data.prefetch", self.prefetch, least=1, most=1000)
            if not self.workers:
                raise UserError(
                    f"data.prefetch={self.prefetch} is not allowed with data.workers=0: only workers prefetch"
                )


def digits(config: Config, folder: Path) -> "Dataset":
    """Decode the images, each file once; they are written first where they are missing.

    Parameters
    ----------
    config : Config
        How many images.
    folder : Path
        Where the data lie, ``results/data`` say.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        If the images cannot be written or read, or are too few.
    """
    from pipeline.lab.dataset import Dataset, HeldOut  # here: the workflow reads this file at every start

    folder = write_digits(folder / config.file)
    (X, y), (X_test, y_test) = (ImageDataset(folder, split).decoded() for split in SPLITS)
    if config.rows > len(X):
        raise UserError(f"data.rows={config.rows} is not allowed: {folder} has {len(X)} training images")
    return Dataset(
        name=config.name,
        X=X[: config.rows].numpy(),
        y=y[: config.rows].numpy(),
        columns=(),
        provenance={key: getattr(config, key) for key in ("name", "title", "credit", "licence")},
        offline_twin=False,
        held_out=HeldOut(X_test.numpy(), y_test.numpy()),
        folder=folder,
        classes=tuple(map(str, range(CLASSES))),
    )


class ImageDataset(_Images):
    """Images of a folder, read and decoded whenever one is asked for.

    Parameters
    ----------
    folder : Path
        As written by :func:`write_digits`.
    split : str
        ``train`` or ``test``: the folder in it with PNG files and ``labels.txt``.

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

    def __init__(self, folder: Path, split: str = "train") -> None:
        index = folder / split / INDEX
        try:
            lines = [line.split() for line in index.read_text(encoding="utf-8").splitlines()]
            self.files = [index.with_name(name) for name, _ in lines]
            self.labels = [int(label) for _, label in lines]
        except OSError:
            raise UserError(f"{index} cannot be read: write it with python -m pipeline.parts.data.digits") from None
        except ValueError:
            raise UserError(f"{index} is not a list of images: delete {folder} and write it again") from None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> "tuple[torch.Tensor, int]":
        """Decode one image, float32 of shape (1, height, width) from -1 to 1 (centred: learnt from faster)."""
        import numpy as np
        import torch
        from PIL import Image

        with Image.open(self.files[index]) as image:
            pixels = np.asarray(image, dtype=np.float32)
        return torch.from_numpy(pixels / 127.5 - 1.0).unsqueeze(0), self.labels[index]

    def decoded(self) -> "tuple[torch.Tensor, torch.Tensor]":
        """Decode every image at once.

        Returns
        -------
        images : Tensor of float32, shape (n, 1, height, width)
            From -1 to 1.
        labels : Tensor of int64, shape (n,)
        """
        import torch

        return torch.stack([self[index][0] for index in range(len(self))]), torch.tensor(self.labels)


def write_digits(folder: Path) -> Path:
    """Write scikit-learn's digits as PNG files, all of them or none; a folder that is there is left alone.

    Parameters
    ----------
    folder : Path
        Will hold ``train`` (1,437 images) and ``test`` (360).

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        If the folder cannot be written, or something else lies there.
    """
    if _complete(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(folder, folder=True) as temporary:
            _write_splits(temporary)
            if folder.is_dir():
                folder.rmdir()  # only if it is empty: nothing of anyone's is thrown away
            temporary.rename(folder)
    except OSError as error:
        if not _complete(folder):  # else another process was quicker, and wrote the same
            raise UserError(f"{folder} cannot be written: {error.strerror or error}") from None
    return folder


def _complete(folder: Path) -> bool:
    return all((folder / split / INDEX).is_file() for split in SPLITS)


def _write_splits(folder: Path) -> None:
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]

    source = load_digits()
    pixels = np.rint(source.images * (255 / _LEVELS)).astype(np.uint8)
    held_out = np.arange(len(pixels)) % HELD_OUT == 0
    for split, chosen in zip(SPLITS, (~held_out, held_out), strict=True):
        (folder / split).mkdir()
        names = [f"{number:04d}.png" for number in np.flatnonzero(chosen)]
        for name, image in zip(names, pixels[chosen], strict=True):
            Image.fromarray(image).save(folder / split / name)
        index = "".join(f"{name} {label}\n" for name, label in zip(names, source.target[chosen], strict=True))
        (folder / split / INDEX).write_text(index, encoding="utf-8")


@command(
    "pipeline.parts.data.digits",
    "Write the digits as PNG files.",
    argument("--out", type=Path, required=True, metavar="DIR", help="the folder of the images"),
)
def main(options: Options) -> None:
    """Write the images and print the folder."""
    print(write_digits(options.out))


if __name__ == "__main__":
    main()
