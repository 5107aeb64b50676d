"""With and without the cache, every verb says the same; whatever happened to the files."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp import cache
from aexp.repo import open_layout
from tests.ledger.test_backfill import backfill, edit_run, name_of, put_run
from tests.support.machines import Machine

PATH = ".aexp/index.sqlite"
VERBS = (
    ("list-runs",),
    ("list-runs", "--format", "json"),
    ("validate", "--format", "json"),
    ("status", "--format", "json"),
    ("ledger", "list", "--format", "json"),
    ("ledger", "query", "--format", "json"),
    ("ledger", "query", "--group-by", "status", "--stat", "metrics.loss:mean,seed:max"),
    ("ledger", "stats", "--format", "json"),
)


@pytest.fixture
def large(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a repository with a few runs, for which a few runs are many."""
    monkeypatch.setattr(cache, "MANY", 1)
    monkeypatch.setattr(cache, "WORTH_SAVING", 1)
    installed_repo.aexp_fast("new-hypothesis", "--title", "h")
    installed_repo.aexp_fast("new-experiment", "--title", "e", "--hypothesis", "H001")
    for seed in range(5):
        put_run(installed_repo, seed)
    backfill(installed_repo)
    cited = job_ids(installed_repo)[2]
    parents = ("--hypothesis", "H001", "--experiment", "E001")
    installed_repo.aexp_fast("new-finding", "--title", "f", *parents, "--run", cited)
    time.sleep(0.05)
    backfill(installed_repo)
    return installed_repo


def answers(machine: Machine) -> list[str]:
    """Return what all reading verbs say."""
    return [machine.aexp_fast(*verb, check=False).output for verb in VERBS]


def job_ids(machine: Machine) -> list[str]:
    """Return the runs of the ledger."""
    return sorted(path.stem for path in (machine / ".aexp/ledger").iterdir())


def _edit_entry(machine: Machine, job_id: str) -> None:
    path = machine / name_of(job_id)
    text = path.read_text()
    path.write_text(text.replace('"complete"', '"failed"'))  # in place: the same inode


def _swap_bytes(machine: Machine, job_id: str) -> None:
    path = machine / name_of(job_id)
    before = path.stat()
    path.write_text(path.read_text().replace("60.0", "61.0"))  # the same size, and the time is
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # set back


def _empty_entry(machine: Machine, job_id: str) -> None:
    (machine / name_of(job_id)).write_bytes(b"")


def _remove_entry(machine: Machine, job_id: str) -> None:
    (machine / name_of(job_id)).unlink()


def _entry_folder(machine: Machine, job_id: str) -> None:
    (machine / name_of(job_id)).unlink()
    (machine / name_of(job_id)).mkdir()


def _remove_run(machine: Machine, job_id: str) -> None:
    shutil.rmtree(machine / ".runs/workspace" / job_id)


def _break_statepoint(machine: Machine, job_id: str) -> None:
    (machine / ".runs/workspace" / job_id / "signac_statepoint.json").write_text("{")


def _break_document(machine: Machine, job_id: str) -> None:
    (machine / ".runs/workspace" / job_id / "signac_job_document.json").write_text("[]")


def _running_again(machine: Machine, job_id: str) -> None:
    edit_run(machine, job_id, status="running")


def _tagged(machine: Machine, job_id: str) -> None:
    edit_run(machine, job_id, tags=["baseline"])


def _finding(machine: Machine) -> Path:
    (path,) = (machine / "kb/research/findings").glob("F001*.md")
    return path


def _break_finding(machine: Machine, job_id: str) -> None:
    path = _finding(machine)
    path.write_text(path.read_text().replace("supporting_runs:", "supporting_runs: ["))


def _cite_another(machine: Machine, job_id: str) -> None:
    path = _finding(machine)
    path.write_text(path.read_text().replace(job_id, "f" * 32))


def _remove_finding(machine: Machine, job_id: str) -> None:
    _finding(machine).unlink()


CHANGES = [
    _break_finding,
    _cite_another,
    _remove_finding,
    _edit_entry,
    _swap_bytes,
    _empty_entry,
    _remove_entry,
    _entry_folder,
    _remove_run,
    _break_statepoint,
    _break_document,
    _running_again,
    _tagged,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_the_cache_changes_no_answer(
    large: Machine, change: Callable[[Machine, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """model.md 7, trap 2: what was remembered of a file is not believed once it has changed."""
    answers(large)
    assert (large / PATH).is_file()
    before = answers(large)
    change(large, job_ids(large)[2])
    remembered = answers(large)
    again = answers(large)
    (large / PATH).unlink()
    monkeypatch.setattr(cache, "MANY", 10**9)
    fresh = answers(large)
    assert remembered == again == fresh
    assert remembered != before
    assert not (large / PATH).exists()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_backfill_asks_anew_about_what_changed(
    large: Machine, change: Callable[[Machine, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LED-07: a remembered backfill mends exactly what one without memory would mend."""
    job_id = job_ids(large)[2]
    twin = large.path.with_name("twin")
    shutil.copytree(large.path, twin, symlinks=True)
    (twin / PATH).unlink()
    there = Machine(twin, large.label, large.env)
    change(large, job_id)
    change(there, job_id)
    told = large.aexp_fast("ledger", "backfill", "--no-commit", check=False)
    monkeypatch.setattr(cache, "MANY", 10**9)
    wanted = there.aexp_fast("ledger", "backfill", "--no-commit", check=False)
    assert (told.returncode, _plain(told.output)) == (wanted.returncode, _plain(wanted.output))
    assert _entries(large.path) == _entries(twin)


def _plain(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}\.json", "", text)  # the name of a corrupt entry that was kept


def _entries(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted((root / ".aexp/ledger").glob("*.json")):
        if path.is_file():
            entry = json.loads(path.read_bytes() or b"{}")
            entry.pop("promoted_at", None)
            entry.pop("record_digest", None)
            found[path.name] = entry
    return found


def test_a_late_stream_is_promoted_again(large: Machine) -> None:
    """LED-07: of a run that its owner did not close (it was lost, say), later metrics count."""
    large.write("log.py", "import aexp\naexp.current_run().log_metric('acc', 0.5)\n")
    large.aexp("run", "--sp", "seed=9", "--", sys.executable, "log.py")
    (document,) = (
        path
        for path in (large / ".runs/workspace").glob("*/signac_job_document.json")
        if "sealed" in path.read_text("utf-8")
    )
    facts = json.loads(document.read_text("utf-8"))
    del facts["sealed"]
    document.write_text(json.dumps(facts), "utf-8")
    backfill(large)
    time.sleep(0.05)
    backfill(large)
    (stream,) = (large / ".runs/workspace").glob("*/streams/*/*.jsonl")
    lines = stream.read_text().splitlines()
    late = next(line for line in lines if '"acc"' in line).replace("0.5", "0.75")
    with stream.open("a") as file:
        file.write(late + "\n")
    assert "1 refreshed" in backfill(large)


def test_small_repositories_have_no_cache(installed_repo: Machine) -> None:
    """model.md 13: reading a few files writes nothing at all."""
    put_run(installed_repo)
    backfill(installed_repo)
    answers(installed_repo)
    assert not (installed_repo / PATH).exists()


def test_no_cache_where_git_would_show_it(large: Machine) -> None:
    """model.md 7: without the ignore rule of the installation none is made."""
    (large / PATH).unlink()
    (large / ".gitignore").unlink()
    before = large.status()
    answers(large)
    assert not (large / PATH).exists()
    assert large.status() == before


def test_no_cache_on_a_network_file_system(large: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """model.md 7: where SQLite's locks may fail, every file is read."""
    monkeypatch.setattr(cache, "may_be_shared_between_hosts", lambda folder: True)
    assert cache.open_cache(open_layout(large.path)) is None
