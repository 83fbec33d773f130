"""``python -m benchmarks.scale``: peak memory and seconds of every stage, at ten, thirty and a hundred thousand runs.

In a copy of the repository, because it adds studies: the study ``scale`` with fewer learning rates, and with all. Every
stage is a process of its own, and its peak memory is what the system says of it when it ends.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.lab.config.study import load_study
from pipeline.lab.files import written_whole

ROOT = Path(__file__).resolve().parents[1]
#: Learning rates of each size: times ten optimizers, eight batch sizes and ten seeds.
SIZES = {"scale10": 13, "scale30": 38, "scale": 125}

Row = dict[str, Any]


def copy_of_the_lab(folder: Path) -> None:
    """Copy what git tracks, and add the smaller studies."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    study = (ROOT / "conf" / "study" / "scale.yaml").read_text()
    for name, points in SIZES.items():
        text = study.replace("name: scale", f"name: {name}").replace("lr_points: 125", f"lr_points: {points}")
        (folder / "conf" / "study" / f"{name}.yaml").write_text(text)


def measured(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command; its peak memory in MB, and its seconds.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    start = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed: {(folder / 'log').read_text()[-2000:]}")
    return usage.ru_maxrss / 1e3, time.perf_counter() - start


def stages(study: str, jobs: list[str], only: list[str]) -> dict[str, list[list[str]]]:
    """The commands of each stage, as the workflow's rules have them."""
    python = [sys.executable, "-m"]
    folder = f"results/{study}"
    train = [
        [*python, "pipeline.train", f"study={study}", f"job={job}", f"out={folder}/jobs/{job}"]
        + ["track=false", "data_dir=results/data", f"hydra.run.dir={folder}/jobs/{job}"]
        for job in jobs
    ]
    commands = {
        "train": train,
        "collect": [[*python, "pipeline.collect", *(f"{folder}/jobs/{job}" for job in jobs), "--out", folder]],
        "track": [[*python, "pipeline.track", folder, "--uri", f"sqlite:///{study}.db", "--done", f"{folder}.json"]],
        "figures": [[*python, "pipeline.figures", "--out", f"{folder}/figures", folder]],
        "report": [
            [*python, "pipeline.report", "--out", f"{folder}/report.html", "--figures", f"{folder}/figures", folder]
        ],
    }
    return {name: found for name, found in commands.items() if name in only}


def main() -> None:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/scale.json"), help="where the numbers go")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES), help="all, by default")
    parser.add_argument("--stages", nargs="+", default=["train", "collect", "track", "figures", "report"])
    parser.add_argument("--folder", type=Path, help="keep the copy there, and go on with what it holds")
    arguments = parser.parse_args()
    rows: list[Row] = []
    with TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        copy_of_the_lab(folder)
        jobs = list(load_study("scale").jobs)
        for study in arguments.sizes:
            for stage, commands in stages(study, jobs, arguments.stages).items():
                peaks, seconds = zip(*(measured(command, folder) for command in commands), strict=True)
                rows.append({"study": study, "stage": stage, "peak_mb": max(peaks), "seconds": sum(seconds)})
                runs = SIZES[study] * 800
                print(f"{runs:>8,} runs  {stage:<10}{max(peaks):>8.0f} MB  {sum(seconds):>8.1f} s", flush=True)
    with written_whole(arguments.out) as file:
        file.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
