"""Write a synthetic repository: runs in signac's layout, findings that cite them, all committed.

What it writes is what both aexp and agentic-experiments 0.6 know, so one repository can be copied
and given to each. The same arguments give the same bytes, git's commit included. It uses neither
tool: only files, MD5 and git.

    python benchmarks/generate.py --runs 10000 --findings 50 DEST
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from synthetic_kb import write_kb
from synthetic_runs import BEGINNING, CONDITIONS, LABEL, Shape, make_runs, stamp, write_runs

GITIGNORE = """\
# agentic-experiments:begin
.aexp/*
!.aexp/runs-index/
!.aexp/ledger/
.runs/
# agentic-experiments:end
"""


def generate(dest: Path, shape: Shape) -> None:
    """Write the repository of ``shape`` into ``dest`` and commit what git does not ignore.

    Args:
        dest: a folder that does not exist yet, or is empty.
        shape: what to write.

    Raises:
        FileExistsError: there is something in ``dest``.
        ValueError: the shape has too few runs for its experiments and findings.
    """
    least = shape.spread * len(CONDITIONS)
    if shape.findings and shape.runs < least:
        raise ValueError(f"{shape.spread} experiments with findings need at least {least} runs")
    dest.mkdir(parents=True, exist_ok=True)
    if any(dest.iterdir()):
        raise FileExistsError(f"{dest} is not empty")
    runs = list(make_runs(shape))
    write_runs(dest / ".runs", runs)
    _write_installation(dest)
    write_kb(dest / "kb", shape, runs)
    _commit(dest)


def _write_installation(root: Path) -> None:
    (root / ".aexp" / "ledger").mkdir(parents=True)
    marker = {
        "version": "0.6.1",
        "installed_at": stamp(BEGINNING),
        "run_store_path": ".runs",
        "machine_label": LABEL,
    }
    (root / ".aexp" / "installed.json").write_text(json.dumps(marker, indent=2) + "\n")
    (root / ".gitignore").write_text(GITIGNORE)


def _commit(root: Path) -> None:
    """Make ``root`` a git repository with one commit, the same one for the same content."""
    when = str(int(BEGINNING.timestamp())) + " +0000"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment = {
        **kept,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_DATE": when,
    }
    for arguments in (
        ("init", "--quiet", "--template=", "--initial-branch=main"),
        ("config", "user.name", "Bench"),
        ("config", "user.email", "bench@example.invalid"),
        ("config", "gc.auto", "0"),  # nothing may run behind a measurement's back
        ("config", "maintenance.auto", "false"),
        ("add", "--all"),
        ("commit", "--quiet", "--message=A synthetic repository"),
    ):
        subprocess.run(["git", *arguments], cwd=root, env=environment, check=True)


def main() -> int:
    """Write one synthetic repository."""
    parser = argparse.ArgumentParser(description="Write a synthetic repository.")
    parser.add_argument("dest", type=Path, metavar="DEST", help="a new or empty folder")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--findings", type=int, default=50)
    parser.add_argument("--experiments", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--streams", action="store_true", help="give each run metrics, as aexp records them"
    )
    given = parser.parse_args()
    shape = Shape(given.runs, given.findings, given.experiments, given.seed, given.streams)
    try:
        generate(given.dest, shape)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{shape.runs} runs and {shape.findings} findings in {given.dest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
