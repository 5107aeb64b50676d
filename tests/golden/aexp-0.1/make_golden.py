"""Make ledger entries of every kind with the installed aexp.

    python tests/golden/aexp-0.1/make_golden.py OUT

The data beside this file was made once, by the version of its ``environment``; it is never made
again: other versions go into other folders. Attempt ids and times differ each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from aexp import create_run, current_run, mark_status, run_lifecycle
from aexp.cli import main as run_command_line
from aexp.ledger import promote_to_ledger



platform.platform = lambda **options: "Linux-6.1-x86_64-with-glibc2.36"  # of no machine


def aexp(*args: str) -> None:
    with contextlib.suppress(SystemExit):
        run_command_line(list(args))


def record(point: dict[str, object], *, again: bool = False, acc: float = 0.5, **more: object) -> str:
    job = create_run("E001", point, include_commit=False)
    with run_lifecycle(job, again=again):
        run = current_run()
        assert run is not None
        run.log_parameter("optimizer", "adam")
        for name, value in more.items():
            run.log_parameter(name, value)
        for step in range(3):
            run.log_metric("acc", acc + step / 10, step=step)
    return str(job.id)


def fail(point: dict[str, object]) -> str:
    job = create_run("E001", point, include_commit=False)
    try:
        with run_lifecycle(job):
            raise ValueError("größe must be positive")
    except ValueError:
        return str(job.id)


def ended(point: dict[str, object], status: str) -> str:
    job = create_run("E001", point, include_commit=False)
    mark_status(job, status)
    return str(job.id)


def make() -> dict[str, str]:
    """Fill the ledger of the repository in the working directory; return its runs by name."""
    runs = {
        "complete": record({"seed": 0, "lr": 0.1}),
        "failed": fail({"seed": 1, "name": "größe"}),
        "stopped": ended({"seed": 2}, "stopped"),
        "abandoned": ended({"seed": 3, "net": {"width": 64, "layers": [64, 32]}}, "abandoned"),
        "replicates": record({"seed": 4}, acc=0.25),
        "redacted": record({"seed": 5, "data": "/scratch/ada/digits"}),
        "large": record({"seed": 6}, **{f"key {n}": "x" * 90 for n in range(400)}),
        "numbers": record({"seed": 7, "big": 2**60, "tiny": 1e-12, "none": None, "flag": True}),
        "retracted": record({"seed": 8}),
    }
    record({"seed": 4}, again=True, acc=0.75)
    job = create_run("E001", {"seed": 9}, include_commit=False)
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_metric("loss", float("nan"))
        run.log_metric("bound", float("-inf"))
    runs["not finite"] = str(job.id)
    aexp("run", "--sp", "unlinked=true", "--no-commit", "--", "true")
    runs["unlinked"] = next(
        p.name
        for p in Path(".runs/workspace").iterdir()
        if len(p.name) == 32 and p.name not in runs.values()
    )
    annotated = runs["complete"]
    aexp("tag", annotated, "--add", "best", "--add", "größe")
    aexp("note", annotated, "the one to show\nsecond line")
    aexp(
        "bind-tracker", annotated, "--backend", "wandb", "--run-id", "a1b2c3",
        "--url", "https://wandb.example/lab/digits/runs/a1b2c3", "--project", "digits",
    )  # fmt: skip
    aexp("ledger", "retract", runs["retracted"], "--reason", "trained on the test set")
    aexp("ledger", "reshard")
    job = create_run("E001", {"seed": 10}, include_commit=False)
    mark_status(job, "complete")
    promote_to_ledger(job)
    runs["sharded"] = str(job.id)
    for name, job_id in runs.items():  # all but one run lie flat
        source = Path(f".aexp/ledger/{job_id[:2]}/{job_id}.json")
        if name != "sharded":
            source.rename(Path(f".aexp/ledger/{job_id}.json"))
    return runs


def main(out: Path) -> None:
    """Write the ledger and the index of its runs below ``out``."""
    with tempfile.TemporaryDirectory() as folder:
        home = os.getcwd()
        os.chdir(folder)
        subprocess.run(["git", "init", "-q", "-b", "main"], check=True)
        aexp("install", "--yes", "--machine-label", "cluster")
        aexp("new-hypothesis", "--title", "Width helps")
        aexp("new-experiment", "--title", "Digits", "--hypothesis", "H001")
        runs = make()
        os.chdir(home)
        target = out / "dot-aexp" / "ledger"
        for path in sorted((Path(folder) / ".aexp/ledger").rglob("*.json")):
            place = target / path.relative_to(Path(folder) / ".aexp/ledger")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    (out / "runs.json").write_text(json.dumps(runs, indent=2, ensure_ascii=False) + "\n", "utf-8")
    names = ("make_golden.py", "SHA256SUMS")
    files = sorted(p for p in out.rglob("*") if p.is_file() and p.name not in names)
    lines = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  ./{p.relative_to(out).as_posix()}\n"
        for p in files
    ]
    (out / "SHA256SUMS").write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
