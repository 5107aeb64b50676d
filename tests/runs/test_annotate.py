"""Tags, notes and pointers to other trackers (LED-08, LED-14)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aexp import create_run, mark_status
from aexp.repo import open_layout
from aexp.runs.annotate import MAX_NOTE, MAX_TAG, MAX_TAGS, bind_tracker, change_tags, set_note
from tests.ledger.test_backfill import entry_of, name_of, put_run
from tests.runs.world import document, experiment, script
from tests.support.machines import Completed, Machine
from tests.support.race import run_together

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.fixture
def run(installed_repo: Machine) -> str:
    """An ended run of ``installed_repo`` that is in the ledger."""
    job_id = put_run(installed_repo)
    installed_repo.aexp_fast("ledger", "backfill", "--no-commit")
    return job_id


def aexp(machine: Machine, *args: str, code: int = 0) -> Completed:
    """Run a command in this process and check how it ends."""
    return machine.aexp_fast(*args, check=False).require(code)


def files(machine: Machine) -> dict[str, bytes]:
    """Return everything that aexp has written."""
    found = (p for name in (".aexp", ".runs") for p in (machine / name).rglob("*"))
    return {str(path): path.read_bytes() for path in found if path.is_file()}


# --- tags ----------------------------------------------------------------------------------------


def test_tags_reach_the_ledger(installed_repo: Machine, run: str) -> None:
    """LED-14: added and removed tags stand, sorted and once each, in document and entry."""
    done = aexp(installed_repo, "tag", run[:6], "--add", "b", "--add", " a ", "--add", "b")
    assert f"{run[:8]}: a, b\n" in done.stdout
    assert f"ledger entry refreshed: {name_of(run)}" in done.stdout
    assert entry_of(installed_repo, run)["tags"] == ["a", "b"]
    aexp(installed_repo, "tag", run, "--add", "c", "--remove", "a")
    assert entry_of(installed_repo, run)["tags"] == ["b", "c"]
    assert document(installed_repo, run)["tags"] == ["b", "c"]
    assert aexp(installed_repo, "tag", run).stdout == f"{run[:8]}: b, c\n"
    assert "tags:         b, c\n" in aexp(installed_repo, "show-run", run).stdout
    aexp(installed_repo, "tag", run, "--remove", "b", "--remove", "c")
    assert "tags" not in entry_of(installed_repo, run)
    assert "tags" not in document(installed_repo, run)


def test_the_same_again_changes_no_byte(installed_repo: Machine, run: str) -> None:
    """LED-06, LED-14: a tag, note or pointer that is there already changes nothing at all."""
    bind = ("bind-tracker", run, "--backend", "wandb", "--run-id", "r1", "--project", "p")
    commands = [("tag", run, "--add", "x"), ("note", run, "good"), bind]
    for command in commands:
        aexp(installed_repo, *command)
    before = files(installed_repo)
    for command in (*commands, ("tag", run, "--remove", "y"), ("tag", run)):
        assert "ledger entry" not in aexp(installed_repo, *command).stdout
    assert files(installed_repo) == before


@pytest.mark.parametrize(
    ("tag", "says"),
    [
        ("", "a tag is empty"),
        ("  ", "a tag is empty"),
        ("x" * (MAX_TAG + 1), "has 65 characters"),
        ("two\nlines", "line break"),
        ("bell\x07", "control character"),
        ("half \udcff", "no valid Unicode"),
        (TOKEN, "looks like it holds a secret"),
    ],
)
def test_what_is_no_tag(installed_repo: Machine, run: str, tag: str, says: str) -> None:
    """LED-14, model.md 8: refused in one line with nothing changed; a secret is not repeated."""
    before = files(installed_repo)
    done = aexp(installed_repo, "tag", run, "--add", "fine", "--add", tag, code=2)
    assert says in done.stderr
    assert TOKEN not in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert files(installed_repo) == before


def test_limits_of_tags(installed_repo: Machine, run: str) -> None:
    """LED-01: there are so few tags, and so short, that the entry stays small."""
    layout = open_layout(installed_repo.path)
    full = [f"{n:02}" + "ä" * (MAX_TAG - 2) for n in range(MAX_TAGS)]
    change_tags(layout, run, add=full)
    set_note(layout, run, "ü" * (MAX_NOTE // 2))
    entry = entry_of(installed_repo, run)
    assert entry["tags"] == full
    assert len(entry["note"].encode()) == MAX_NOTE
    assert (installed_repo / name_of(run)).stat().st_size < 64 * 1024
    assert "at most 64" in aexp(installed_repo, "tag", run, "--add", "more", code=2).stderr
    both = aexp(installed_repo, "tag", run, "--add", "q", "--remove", "q", code=2)
    assert "to be added and to be removed" in both.stderr


def test_several_runs(installed_repo: Machine, run: str) -> None:
    """LED-14: each on its own; a run that fails never stops the next, and the exit is 10."""
    other = put_run(installed_repo, 1)
    done = aexp(installed_repo, "tag", run, "ffffffff", other, "--add", "x", code=10)
    assert "failed: ffffffff: there is no run" in done.stderr
    assert "1 of 3 runs failed" in done.stderr
    assert entry_of(installed_repo, run)["tags"] == entry_of(installed_repo, other)["tags"] == ["x"]
    assert "there is no run" in aexp(installed_repo, "tag", "ffff", "--add", "x", code=4).stderr


def test_a_run_of_another_machine(installed_repo: Machine, run: str) -> None:
    """LED-14: what is not here cannot be annotated here; its tags can be read."""
    aexp(installed_repo, "tag", run, "--add", "x")
    folder = installed_repo / f".runs/workspace/{run}"
    folder.rename(installed_repo.path.parent / "gone")
    for command in (("tag", run, "--add", "y"), ("note", run, "y")):
        done = aexp(installed_repo, *command, code=4)
        assert "its folder is not on this machine" in done.stderr
    assert aexp(installed_repo, "tag", run).stdout == f"{run[:8]}: x\n"


def tag_often(root: str, job_id: str, name: str, times: int) -> None:
    """Add tags of one process."""
    for number in range(times):
        change_tags(open_layout(root), job_id, add=[f"{name}{number}"])


def test_a_running_run_and_many_processes(installed_repo: Machine) -> None:
    """Trap 19: processes that tag one run, while it is running, lose no tag of each other."""
    experiment(installed_repo)
    job = create_run("E001", {"seed": 0}, include_commit=False, repo_root=installed_repo.path)
    mark_status(job, "running")
    run_together(tag_often, [(str(installed_repo.path), job.id, n, 5) for n in "abcd"])
    assert not (installed_repo / name_of(job.id)).exists()
    mark_status(job, "complete")
    assert entry_of(installed_repo, job.id)["tags"] == [f"{n}{i}" for n in "abcd" for i in range(5)]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (5, None),
        (None, None),
        ({"a": 1}, None),
        ("one", ["one"]),
        (["b", 3, None, ["x"], "a", ""], ["3", "a", "b"]),
    ],
)
def test_tags_of_another_tool(installed_repo: Machine, tags: Any, expected: Any) -> None:
    """LED-02: whatever stands under ``tags`` and ``note`` is left out or read, and never raises."""
    job_id = put_run(installed_repo, tags=tags, note=7)
    aexp(installed_repo, "ledger", "backfill", "--no-commit")
    assert entry_of(installed_repo, job_id).get("tags") == expected
    assert "note" not in entry_of(installed_repo, job_id)
    aexp(installed_repo, "tag", job_id, "--add", "z")
    assert entry_of(installed_repo, job_id)["tags"] == [*(expected or []), "z"]


def test_a_new_attempt_keeps_them(installed_repo: Machine) -> None:
    """LED-14: tags and note are about the run, and its next attempt has them too."""
    aexp(installed_repo, "run", "--sp", "a=1", "--", "true")
    (folder,) = (installed_repo / ".runs/workspace").iterdir()
    aexp(installed_repo, "tag", folder.name, "--add", "x")
    aexp(installed_repo, "run", "--again", "--sp", "a=1", "--", "true")
    assert entry_of(installed_repo, folder.name)["tags"] == ["x"]


# --- notes ---------------------------------------------------------------------------------------


def test_a_note(installed_repo: Machine, run: str) -> None:
    """LED-14: a note is set, added to, shown and removed."""
    assert "has a new note" in aexp(installed_repo, "note", run, "diverged early").stdout
    aexp(installed_repo, "note", run, "seed 3 too", "--append")
    assert entry_of(installed_repo, run)["note"] == "diverged early\nseed 3 too"
    assert "note:         seed 3 too\n" in aexp(installed_repo, "show-run", run).stdout
    assert "has no note any more" in aexp(installed_repo, "note", run, "").stdout
    assert "note" not in entry_of(installed_repo, run)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x" * (MAX_NOTE + 1), "would have 4097 bytes"),
        ("bell\x07", "control character"),
        (f"use {TOKEN}", "looks like it holds a secret"),
    ],
)
def test_what_is_no_note(installed_repo: Machine, run: str, text: str, says: str) -> None:
    """LED-14, model.md 8: refused in one line; nothing changed, the secret not repeated."""
    before = files(installed_repo)
    done = aexp(installed_repo, "note", run, text, code=2)
    assert says in done.stderr
    assert TOKEN not in done.stderr
    assert files(installed_repo) == before


def test_a_path_in_a_note(installed_repo: Machine, run: str) -> None:
    """Model.md 8: a path of this machine is warned of, and redacted in the entry."""
    done = aexp(installed_repo, "note", run, "see /home/me/plot.png")
    assert "warning: the note holds a path of this machine" in done.stderr
    entry = entry_of(installed_repo, run)
    assert "/home/me" not in entry["note"]
    assert entry["redacted"] == ["/note"]


def test_a_promotion_that_fails(installed_repo: Machine, run: str) -> None:
    """RUN-04: the note stands, one line warns, ``status`` remembers, backfill heals."""
    ledger = installed_repo / ".aexp/ledger"
    ledger.rename(ledger.with_name("away"))
    ledger.write_text("in the way\n", "utf-8")
    done = aexp(installed_repo, "note", run, "kept")
    assert done.stderr.count(f"[aexp ledger] promote_to_ledger failed for {run}") == 1
    assert document(installed_repo, run)["note"] == "kept"
    said = json.loads(aexp(installed_repo, "status", "--format", "json").stdout)
    assert list(said["failed"]) == [run]
    ledger.unlink()
    ledger.with_name("away").rename(ledger)
    aexp(installed_repo, "ledger", "backfill", "--no-commit")
    assert entry_of(installed_repo, run)["note"] == "kept"
    assert "ledger_error" not in document(installed_repo, run)


def test_a_kill_before_the_entry(
    installed_repo: Machine, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RUN-04: the note is in the document, ``status`` sees that the entry lacks it, and the next
    recording heals it."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("aexp.runs.amend.promote_record", killed)
        with pytest.raises(KeyboardInterrupt):
            set_note(open_layout(installed_repo.path), run, "kept")
    assert json.loads(aexp(installed_repo, "status", "--format", "json").stdout)["cut_off"] == [run]
    aexp(installed_repo, "run", "--", "true")
    assert entry_of(installed_repo, run)["note"] == "kept"
    assert json.loads(aexp(installed_repo, "status", "--format", "json").stdout)["cut_off"] == []


# --- other trackers ------------------------------------------------------------------------------


def test_binding_a_tracker(installed_repo: Machine, run: str) -> None:
    """LED-08: the pointers reach the entry; the same run again adds, another one replaces."""
    bind = ("bind-tracker", run, "--backend", "wandb", "--run-id")
    aexp(installed_repo, *bind, "r1", "--url", "https://wandb.ai/p/r1")
    aexp(installed_repo, *bind, "r1", "--project", "p", "--group", "g")
    assert entry_of(installed_repo, run)["tracker"] == {
        "backend": "wandb",
        "run_id": "r1",
        "url": "https://wandb.ai/p/r1",
        "project": "p",
        "group": "g",
    }
    aexp(installed_repo, *bind, "r2")
    assert entry_of(installed_repo, run)["tracker"] == {"backend": "wandb", "run_id": "r2"}


def test_credentials_of_a_tracker_stay_here(installed_repo: Machine, run: str) -> None:
    """LED-02, trap 17: a URL's credentials are cut out of the entry, and the user is told."""
    url = "https://me:s3cret-Pa55word@tracker.example.org/r1"
    done = aexp(
        installed_repo, "bind-tracker", run, "--backend", "mlflow", "--run-id", "r", "--url", url
    )
    assert "warning: the url" in done.stderr
    assert "s3cret" not in installed_repo.read(name_of(run))
    assert "tracker.example.org/r1" in entry_of(installed_repo, run)["tracker"]["url"]


@pytest.mark.parametrize("option", ["--backend", "--run-id", "--url"])
@pytest.mark.parametrize("value", ["", "two\nlines", "x" * 3000])
def test_malformed_pointers(installed_repo: Machine, run: str, option: str, value: str) -> None:
    """LED-08: refused before anything is written."""
    before = files(installed_repo)
    given = {"--backend": "wandb", "--run-id": "r", option: value}
    aexp(installed_repo, "bind-tracker", run, *(w for pair in given.items() for w in pair), code=2)
    assert files(installed_repo) == before


def test_binding_from_python(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """LED-08: the function takes a job, wherever the working directory is."""
    experiment(installed_repo)
    job = create_run("E001", {"seed": 0}, include_commit=False, repo_root=installed_repo.path)
    monkeypatch.chdir(Path("/"))
    bind_tracker(job, backend="wandb", run_id="r1")
    assert job.doc["tracker"]["run_id"] == "r1"
    mark_status(job, "complete")
    bind_tracker(job, backend="wandb", run_id="r1", group="g")
    assert entry_of(installed_repo, job.id)["tracker"]["group"] == "g"
    code = f"import aexp; aexp.mark_status(aexp.open_run('{job.id}'), 'complete')"
    assert script(installed_repo, code).returncode == 0
