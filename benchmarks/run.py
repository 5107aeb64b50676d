"""Run every ``bench_*.py`` of this folder and write ``results.md``."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aexp
from harness import (
    NOTHING,
    PEER_PACKAGE,
    CommandFailedError,
    Options,
    Report,
    find_peer,
    installed_version,
)
from machine import facts, load

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
PEER_PYTHON = CHECKOUT / ".venv" / "peer" / "bin" / "python"
LEGEND = (
    "Medians; ± is half the distance from the fastest to the slowest. `/ floor` is aexp's time "
    f"over the floor's, `faster` the peer's time over aexp's, `{NOTHING}` not measured or not "
    "promised. All of one table was measured in turns, in one run. On another machine the ratios "
    "hold, the times do not."
)
MLFLOW_VARIABLE = "AEXP_MLFLOW_PYTHON"
OMMX_VARIABLE = "AEXP_OMMX_PYTHON"
QUICK: dict[str, Any] = {
    "sizes": (1_000,),
    "repeats": 3,
    "starts": 5,
    "records": 20,
    "mib": 64,
    "blobs": 2_000,
    "session_runs": (10, 100),
    "points": 20,
    "lines": 10_000,
}
SCALE = ("repeats", "starts", "records", "mib", "blobs", "session_runs", "points", "lines")
"""The options of how much to measure, beside those of the repositories."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks and write their reports.

    What another run has measured on the same machine stays, unless it is measured anew.

    Returns:
        0; 1 when a target was missed; 2 when a command to be measured failed.
    """
    given = _parser().parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.work) as folder:
        options = _options(given, Path(folder))
        place = facts(options.work)
        chapters = chapters_of(given.output, place) if given.only else {}
        try:
            for name, busy, reports in _measure(options, given.only):
                text = "\n".join(report.markdown() for report in reports)
                about = f"{command_line(given)}; load {busy} before"
                chapters[name] = f"{_mark(name)}\n<!-- {about} -->\n\n{text}"
                whole = header(options, place, command_line(given)), chapters
                given.output.write_text(put_together(*whole), "utf-8")
        except CommandFailedError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    told = verdict("".join(chapters.values()))
    print(told, file=sys.stderr)
    return 1 if "missed" in told else 0


def _mark(name: str) -> str:
    return f"<!-- bench_{name} -->"


def chapters_of(results: Path, place: str) -> dict[str, str]:
    """Return what a file of results has, by benchmark; nothing if it is another machine's."""
    text = results.read_text("utf-8") if results.exists() else ""
    if f"\n{place}.\n" not in text:
        return {}
    parts = re.split(r"^<!-- bench_(\w+) -->$", text, flags=re.M)[1:]
    return {
        name: f"{_mark(name)}{chapter}".rstrip() + "\n"
        for name, chapter in zip(parts[::2], parts[1::2], strict=True)
    }


def put_together(head: str, chapters: dict[str, str]) -> str:
    """Return the whole text of the results."""
    named = sorted(chapters, key=lambda name: _order(HERE / f"bench_{name}.py"))
    body = "\n".join(chapters[name] for name in named)
    return head + verdict(body) + body


def verdict(text: str) -> str:
    """Return how many targets were met, and which were not, by the tables of the results."""
    title, met, missed = "", 0, []
    for line in text.splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            met += cells[-1] == "met"
            missed += [f"- {title}: {cells[0]}"] if cells[-1] == "MISSED" else []
    count = f"{met} of {met + len(missed)} targets met"
    return f"{count}.\n\n" if not missed else "\n".join([f"{count}; missed:", "", *missed, "", ""])


def _measure(options: Options, only: list[str]) -> Iterator[tuple[str, str, list[Report]]]:
    for script in sorted(HERE.glob("bench_*.py"), key=_order):
        name = script.stem.removeprefix("bench_")
        if only and name not in only:
            continue
        print(f"{name} …", file=sys.stderr, flush=True)
        busy = load()
        found: Iterator[Report] = importlib.import_module(script.stem).measure(options)
        reports: list[Report] = []
        for report in found:
            print(report.markdown(), flush=True)
            reports.append(report)
        if reports:
            yield name, busy, reports


def _order(script: Path) -> tuple[bool, str]:
    return (script.stem != "bench_startup", script.stem)


def header(options: Options, place: str, command: str) -> str:
    """Return the head of the results: what was measured, where, and how to do it again."""
    peer = options.peer
    other = f"{PEER_PACKAGE} {peer.version}" if peer else "not installed"
    for package, python in (("mlflow", options.mlflow), ("ommx", options.ommx)):
        if python is not None:
            other += f"; {package} {installed_version(python, package) or 'not installed'}"
    parts = [
        "# Results",
        f"<!-- Written by `{command}`; each table says in a comment what measured it. -->",
        f"aexp {aexp.__version__}; peer: {other}; to do it again: `make bench`.\n{place}.",
        textwrap.fill(LEGEND, 98),
    ]
    return "\n\n".join(parts) + "\n\n"


def command_line(given: argparse.Namespace) -> str:
    """Return the command that measures the same, without what belongs to this machine."""
    words = ["--quick"] if given.quick else []
    for name in ("only", "runs", "findings", *SCALE):
        value = getattr(given, name)
        values = value if isinstance(value, list) else [] if value is None else [value]
        if values:
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return "make bench" + (f" BENCH_ARGS='{' '.join(words)}'" if words else "")


def _options(given: argparse.Namespace, work: Path) -> Options:
    usual = replace(Options(work), **QUICK) if given.quick else Options(work)
    asked = {name: getattr(given, name) for name in ("findings", *SCALE)}
    if given.runs:
        asked["sizes"] = tuple(given.runs)
    if given.session_runs:
        asked["session_runs"] = tuple(given.session_runs)
    return replace(
        usual,
        peer=find_peer(given.peer),
        mlflow=_interpreter(MLFLOW_VARIABLE),
        ommx=_interpreter(OMMX_VARIABLE),
        **{name: value for name, value in asked.items() if value is not None},
    )


def _interpreter(variable: str) -> Path | None:
    """Return the interpreter that an environment variable names, None when it is not set."""
    named = os.environ.get(variable)
    if not named:
        return None
    if not Path(named).is_file():
        sys.exit(f"error: {variable} names {named}, which is no interpreter")
    # Benchmarks run in other folders; a link is not followed, or it would leave its environment.
    return Path(named).absolute()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure aexp and write the results.")
    parser.add_argument(
        "--quick", action="store_true", help="1,000 runs only, small files, few repeats"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="bench_NAME")
    parser.add_argument("--runs", type=int, nargs="+", metavar="N", help="the numbers of runs")
    parser.add_argument("--findings", type=int, metavar="M", help="at each of those")
    parser.add_argument("--repeats", type=int, metavar="N", help="of commands on a repository")
    parser.add_argument("--starts", type=int, metavar="N", help="of starting up")
    parser.add_argument("--records", type=int, metavar="N", help="runs recorded in one process")
    parser.add_argument("--mib", type=int, metavar="N", help="of the large file")
    parser.add_argument("--blobs", type=int, metavar="N", help="in the registry to collect")
    parser.add_argument(
        "--session-runs", type=int, nargs="+", metavar="N",
        help="at how many runs of a session to measure its checkpoints",
    )  # fmt: skip
    parser.add_argument("--points", type=int, metavar="N", help="of a sweep, and runs of a queue")
    parser.add_argument("--lines", type=int, metavar="N", help="of the manifest to read")
    parser.add_argument(
        "--peer", type=Path, default=PEER_PYTHON, metavar="PYTHON",
        help=f"an interpreter beside which {PEER_PACKAGE} is installed",
    )  # fmt: skip
    parser.add_argument(
        "--work", type=Path, default=CHECKOUT / "build" / "bench", metavar="DIR",
        help="a folder on the disk to measure",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, default=HERE / "results.md", metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
