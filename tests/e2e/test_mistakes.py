"""Every ordinary mistake: one line and a hint, the documented exit code, nothing lost (trap 32)."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.mistakes import Mistake, World, check_told, content
from tests.support.machines import Machine, copy_repo

USAGE, NO_REPO, NOT_FOUND, TRANSITION, BUSY = 2, 3, 4, 5, 6
CORRUPT, STORAGE, GIT, PARTIAL = 7, 8, 9, 10
MISSING, NOT_EXECUTABLE = 127, 126


@pytest.fixture(scope="module")
def _spoilable(tmp_path_factory: pytest.TempPathFactory, _installed_template: Path) -> World:
    machine = copy_repo(_installed_template, tmp_path_factory.mktemp("mistakes") / "repo")
    machine.label = "laptop"
    aexp = machine.aexp_fast
    aexp("new-hypothesis", "--title", "A hypothesis")
    aexp("new-experiment", "--title", "An experiment", "--hypothesis", "H001")
    ids: list[str] = []
    while len({job_id[0] for job_id in ids}) == len(ids):
        aexp("run", "-e", "E001", "--sp", f"seed={len(ids)}", "--", "true")
        ids = [run["job_id"] for run in json.loads(aexp("list-runs", "--format", "json").stdout)]
    first = [job_id[0] for job_id in ids]
    parents = ("--hypothesis", "H001", "--experiment", "E001")
    aexp("new-finding", "--title", "A finding", *parents, "--run", ids[0])
    aexp("ledger", "backfill")
    machine.commit_all("Record")
    return World(machine, ids[0], next(char for char in first if first.count(char) > 1))


@pytest.fixture
def world(_spoilable: World, tmp_path: Path) -> World:
    """A repository of its own for each mistake."""
    shutil.copytree(_spoilable.path, tmp_path / "repo", symlinks=True, copy_function=_copy)
    machine = Machine(tmp_path / "repo", "laptop")
    return World(machine, _spoilable.run, _spoilable.ambiguous)


def _copy(source: str, target: str) -> None:
    """Copy a file; git's objects, which never change, by a link."""
    (os.link if f"{os.sep}objects{os.sep}" in source else shutil.copy2)(source, target)


def make(world: World, mistake: Mistake) -> None:
    """Make a mistake and check what comes of it."""
    mistake.spoil(world)
    before = content(world.path)
    args = mistake.command(world)
    cwd = world.path / mistake.cwd
    done = world.machine.aexp_fast(*args, check=False, env=mistake.env, cwd=cwd)
    check_told(
        done,
        code=mistake.code,
        error=mistake.error,
        root=world.path,
        says=mistake.says,
        args=args,
    )
    if not mistake.partial:
        assert content(world.path) == before


def rows(*mistakes: Mistake) -> Any:
    """Make a table of mistakes the cases of a test."""
    return pytest.mark.parametrize("mistake", mistakes, ids=[m.name for m in mistakes])


# --- names --------------------------------------------------------------------------------------

OF_A_RUN = (
    "show-run RUN", "ledger show RUN", "ledger promote RUN", "link RUN -e E001", "tag RUN",
    "note RUN text", "bind-tracker RUN --backend wandb --run-id x",
    "new-finding --title t --hypothesis H001 --experiment E001 --run RUN",
)  # fmt: skip


@rows(
    *(
        Mistake(what, command.replace("RUN", run), code, error)
        for command in OF_A_RUN
        for what, run, code, error in (
            ("no such run", "0123456789abcdef0123456789abcdef", NOT_FOUND, "there is no run 0123"),
            ("an ambiguous prefix", "{ambiguous}", NOT_FOUND, r"beginning of \d+ run ids: "),
            ("no hex", "xyz", USAGE, "'xyz' is no run id"),
            ("too long", "{run}00", USAGE, "is no run id"),
            ("an empty id", "''", USAGE, "'' is no run id"),
        )
    )
)
def test_of_a_run_id(world: World, mistake: Mistake) -> None:
    """LED-04, trap 32: ids that name nothing, or too much, or are none."""
    make(world, mistake)


NEW_FINDING = "new-finding --title t --hypothesis H001 --experiment E001"


@rows(
    Mistake("missing", "new-run -e E999", NOT_FOUND, "there is no experiment E999"),
    Mistake("missing", "run -e E999 -- true", NOT_FOUND, "there is no experiment E999"),
    Mistake("missing", "link {run} -e E999", NOT_FOUND, "there is no experiment E999"),
    Mistake("close", "new-run -e E002", NOT_FOUND, "there is no experiment E002"),
    Mistake("small letter", "new-run -e e001", USAGE, "'e001' is no experiment id"),
    Mistake("empty", "new-run -e ''", USAGE, "'' is no experiment id"),
    Mistake("empty", "run -e '' -- true", USAGE, "'' is no experiment id"),
    Mistake("empty", "link {run} -e ''", USAGE, "'' is no experiment id"),
    Mistake("missing", "new-experiment --title t --hypothesis H9", USAGE, "no hypothesis id"),
    Mistake("missing", "new-experiment --title t --hypothesis H999", NOT_FOUND, "hypothesis H999"),
    Mistake("empty", "new-experiment --title t --hypothesis ''", USAGE, "no hypothesis id"),
    Mistake("missing", NEW_FINDING.replace("E001", "E999"), NOT_FOUND, "experiment E999"),
    Mistake("missing", NEW_FINDING.replace("H001", "H999"), NOT_FOUND, "hypothesis H999"),
    Mistake("no title", "new-hypothesis --title ''", USAGE, "the title is empty"),
    Mistake("no title", "new-hypothesis --title '  '", USAGE, "the title is empty"),
    Mistake("taken", "new-hypothesis --title t --id H001", USAGE, "H001 is in use"),
    Mistake("wrong letter", "new-hypothesis --title t --id E002", USAGE, "no hypothesis id"),
    Mistake("no level", f"{NEW_FINDING} --impact HUGE", USAGE, "'HUGE' is no impact"),
    Mistake("empty batch", f"{NEW_FINDING} --batch ''", USAGE, "no experiment id"),
    Mistake("no batch", f"{NEW_FINDING} --batch E999", NOT_FOUND, "experiment E999"),
    Mistake("no pair", f"{NEW_FINDING} --batch E001?full", USAGE, "no key=value"),
    Mistake("twice", f"{NEW_FINDING} --batch 'E001?a=1&a=2'", USAGE, "gives a twice"),
    Mistake("NaN", f"{NEW_FINDING} --batch E001?a=nan", USAGE, "nan is no value"),
    Mistake("missing", "new-run -e E001 --hypothesis H999", NOT_FOUND, "hypothesis H999"),
    Mistake("empty", "new-run -e E001 --hypothesis ''", USAGE, "no hypothesis id"),
    Mistake("missing", "link {run} -e E001 --hypothesis H999", NOT_FOUND, "hypothesis H999"),
    Mistake("malformed", "link {run} -e E001 --hypothesis x", USAGE, "no hypothesis id"),
    Mistake("missing", "kb renumber H999", NOT_FOUND, "no artifact H999"),
    Mistake("wrong letter", "kb renumber H001 --to E005", USAGE, "no hypothesis id"),
    Mistake("in use", "kb renumber H001 --to H001", USAGE, "in use"),
    Mistake("empty", "tag {run} --add ''", USAGE, "a tag is empty"),
    Mistake("too long", "tag {run} --add " + "x" * 65, USAGE, "65|64"),
    Mistake("two lines", "tag {run} --add 'a\nb'", USAGE, "line break"),
    Mistake("too long", f"note {{run}} {'x' * 5000}", USAGE, "5000 bytes; at most"),
    Mistake("empty", "bind-tracker {run} --backend '' --run-id x", USAGE, "backend is empty"),
    Mistake("empty", "bind-tracker {run} --backend b --run-id ''", USAGE, "is empty"),
    Mistake("no remote", "sync", GIT, "there is no remote"),
    Mistake("outside", "ledger resolve /etc", USAGE, "no file of the ledger"),
    Mistake("missing", "ledger resolve x.json", USAGE, "no file of the ledger"),
    Mistake("no part", "install --yes --with nosuch", USAGE, "no part 'nosuch'"),
    Mistake("empty", "install --yes --run-store ''", USAGE, "needs a path"),
    Mistake("in the way", "install --yes --run-store kb", USAGE, "cannot be kb"),
    Mistake("a file", "install --yes --run-store train.py", USAGE, "is a file"),
    Mistake("a file", "install-slash-commands --target train.py", STORAGE, "not a folder"),
    Mistake("a folder", "runs-export-index --out kb", USAGE, "is a folder"),
    Mistake("no label", "ledger backfill --machine-label ../x", USAGE, "no machine label"),
    Mistake("no label", "ledger promote {run} --machine-label ''", USAGE, "no machine label"),
    Mistake("no label", "runs-export-index --as ../../x", USAGE, "no machine label"),
    Mistake("outside", "runs-export-index --out /tmp/x.json", USAGE, "outside|inside"),
    Mistake("no label", "install --yes --machine-label a/b", USAGE, "no machine label"),
)
def test_of_names(world: World, mistake: Mistake) -> None:
    """KB-01, RUN-01, traps 18 and 32: experiments, hypotheses, titles, batches and labels."""
    make(world, mistake)


# --- state points -------------------------------------------------------------------------------

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@rows(
    *(
        Mistake(what, f"{command} --sp {sp}{end}", USAGE, error)
        for command, end in (("new-run -e E001", ""), ("run", " -- true"), ("list-runs", ""))
        for what, sp, error in (
            ("no =", "lr", "no '=' in 'lr'"),
            ("no key", "=1", "no key in '=1'"),
            ("empty", "''", "--sp is empty"),
            ("a blank for a comma", "'lr=1 seed=0'", "no comma before seed"),
            ("NaN", "lr=NaN", "NaN is no value"),
            ("infinity", "lr=-inf", "-inf is no value"),
            ("too large", "lr=1e999", "too large"),
            ("no closing bracket", "'a=[1'", r"no closing \]"),
            ("no closing quote", "'a=\"x'", 'no closing "'),
            ("given twice", "a=1,a=2", "gives a twice: 1 and 2"),
            ("a value and a mapping", "a=1,a.b=2", "to be a mapping, but it has a value"),
            ("a mapping and a value", "a.b=1,a=2", "both a value and a mapping"),
            ("an empty part", "a..b=1", "empty part"),
            ("a blank in the key", "'a b=1'", "no usable key"),
            ("an option swallowed", "--again=1", "no usable key"),
        )
    ),
    *(
        Mistake(what, f"{command} --sp {sp}{end}", USAGE, error)
        for command, end in (("new-run -e E001", ""), ("run", " -- true"))
        for what, sp, error in (
            ("a control character", "'a\tb=1'", "usable key"),
            ("a secret", f"token={SECRET}", "token looks like a secret"),
            ("set by us", "code_commit=x", "code_commit is set by aexp"),
            ("two experiments", "experiment_id=E002", "experiment"),
            ("huge", f"note:={'x' * 40_000}", r"40\d\d\d bytes; at most 32768"),
        )
    ),
)
def test_of_state_points(world: World, mistake: Mistake) -> None:
    """Model.md 8 and 10, traps 16, 17, 32: what ``--sp`` may not hold makes no folder."""
    make(world, mistake)


def test_a_path_of_this_machine_is_a_warning(world: World) -> None:
    """Model.md 8: an undeclared absolute path is told, and the run is made all the same."""
    done = world.machine.aexp_fast("new-run", "-e", "E001", "--sp", "data=/home/me/data.csv")
    assert done.stderr.startswith("warning: the state point's data is a path of this machine")
    assert "created run" in done.stdout


# --- command lines ------------------------------------------------------------------------------


@rows(
    Mistake("a typo", "lst-runs", USAGE, "No such command 'lst-runs'"),
    Mistake("a typo", "ledger bakfill", USAGE, "No such command 'bakfill'"),
    Mistake("unknown", "frobnicate", USAGE, "No such command"),
    Mistake("a typo", "validate --kb-onyl", USAGE, "No such option"),
    Mistake("unknown", "list-runs --frob", USAGE, "No such option: --frob"),
    Mistake("no value", "new-run -e", USAGE, "'-e' requires an argument"),
    Mistake("no value", "list-runs --format", USAGE, "'--format' requires an argument"),
    Mistake("surplus", "show-run {run} more", USAGE, "unexpected extra argument"),
    Mistake("left out", "show-run", USAGE, "Missing argument 'RUN'"),
    Mistake("left out", "new-run", USAGE, "Missing option '--experiment'"),
    Mistake("left out", "run", USAGE, "Missing argument 'COMMAND'"),
    Mistake("left out", "run --sp a=1 --", USAGE, "Missing argument 'COMMAND'"),
    Mistake("no --", "run --lr 3 python", USAGE, "No such option: --lr"),
    *(
        Mistake("no format", f"{command} --format xml", USAGE, "'xml'")
        for command in (
            *("list-runs", "show-run {run}", "list-batches", "ledger list", "validate"),
            *("status", "doctor"),
        )
    ),
    Mistake("no status", "list-runs --status compleet", USAGE, "'compleet' is no run status"),
    Mistake("no number", "list-runs --limit x", USAGE, "--limit"),
    Mistake("too small", "list-runs --limit 0", USAGE, "--limit"),
    Mistake("no strictness", "validate --strict-runs=maybe", USAGE, "'maybe'"),
    Mistake("both", "validate --kb-only --runs-only", USAGE, "exclude each other"),
    Mistake("too few", "sync --attempts 0", USAGE, "--attempts"),
    Mistake("no terminal", "install", USAGE, "no terminal"),
    Mistake("no terminal", "uninstall", USAGE, "no terminal"),
)
def test_of_command_lines(world: World, mistake: Mistake) -> None:
    """VAL-01, INS-01, trap 32: commands, options and values that do not exist."""
    make(world, mistake)


@pytest.mark.parametrize(
    ("args", "near"),
    [
        ("lst-runs", "list-runs"),
        ("ledger bakfill", "backfill"),
        ("validate --kb-onyl", "--kb-only"),
    ],
)
def test_a_typo_is_answered_with_what_was_meant(world: World, args: str, near: str) -> None:
    """Trap 32: the hint of a misspelled command or option names the right one."""
    done = world.machine.aexp_fast(*args.split(), check=False)
    assert near in done.stderr.splitlines()[-1]


# --- places -------------------------------------------------------------------------------------

EVERY_COMMAND = (
    "status", "list-runs", "show-run {run}", "list-batches", "validate", "ledger list",
    "ledger show {run}", "ledger promote {run}", "ledger backfill", "ledger resolve",
    "new-run -e E001", "run -- true", "link {run} -e E001", "recover", "tag {run}",
    "note {run} text", "new-hypothesis --title t",
    "new-experiment --title t --hypothesis H001", NEW_FINDING, "runs-export-index",
    "install --yes", "uninstall --yes", "sync",
)  # fmt: skip


def leave_git(world: World) -> None:
    """Make it a folder without git."""
    shutil.rmtree(world.path / ".git")


def point_nowhere(world: World) -> None:
    """Make ``.git`` a file that names a folder which is gone."""
    shutil.rmtree(world.path / ".git")
    (world.path / ".git").write_text("gitdir: ../gone/.git/worktrees/x\n")


def garble_dot_git(world: World) -> None:
    """Make ``.git`` a file that says nothing."""
    shutil.rmtree(world.path / ".git")
    (world.path / ".git").write_text("nonsense\n")


BY_GIT = ("install --yes", "uninstall --yes")
"""What asks git for the repository first."""


@rows(
    *(
        Mistake("no repository", c, NO_REPO, "not inside a git repository", leave_git)
        for c in EVERY_COMMAND
    ),
    *(
        Mistake("a garbled .git", c, CORRUPT, "the file .git", garble_dot_git)
        for c in EVERY_COMMAND
        if c not in BY_GIT
    ),
    *(Mistake("a garbled .git", c, GIT, "invalid gitfile", garble_dot_git) for c in BY_GIT),
)
def test_of_places(world: World, mistake: Mistake) -> None:
    """INS-01, trap 32: every command outside git, and where ``.git`` says nothing."""
    make(world, mistake)


NEEDS_GIT = (
    "status", "list-runs", "list-batches", "validate", "ledger list", "new-run -e E001",
    "run -- true", "new-hypothesis --title t", "new-experiment --title t --hypothesis H001",
    NEW_FINDING, "install --yes",
)  # fmt: skip
WITHOUT_GIT = ("show-run {run}", "ledger show {run}", "ledger promote {run}", "recover")
"""What needs no git, and works without it."""


def fake_git(world: World, script: str) -> dict[str, str]:
    """Return the environment of a machine whose only git is ``script``."""
    place = world.path.parent / "bin"
    place.mkdir()
    if script:
        (place / "git").write_text(f"#!/bin/sh\n{script}\n")
        (place / "git").chmod(0o755)
    return {"PATH": str(place)}


OLD_GIT = 'case "$*" in *--version*) echo "git version 2.7.4";; *) echo "error: unknown option"'
GITS = {
    "no git": ("", "git is not installed"),
    "an old git": (f"{OLD_GIT} >&2; exit 129;; esac", "unknown option"),
    "a git that refuses": ("echo 'fatal: it is Monday' >&2; exit 128", "it is Monday"),
    "a foreign owner": (
        "echo \"fatal: detected dubious ownership in repository at '/w'\" >&2; exit 128",
        "dubious ownership",
    ),
}


@pytest.mark.parametrize("which", list(GITS))
@pytest.mark.parametrize("command", [*NEEDS_GIT, "ledger backfill", "sync"])
def test_of_git(world: World, which: str, command: str) -> None:
    """Trap 32: no git, a git that is too old, one that refuses (safe.directory)."""
    script, error = GITS[which]
    says = "0 promoted" if command == "ledger backfill" else ""
    env = fake_git(world, script)
    make(world, Mistake(which, command, GIT, error, env=env, says=says))


def test_an_old_git_is_named(world: World) -> None:
    """Trap 32: the hint says which version there is, and which is needed."""
    env = fake_git(world, GITS["an old git"][0])
    done = world.machine.aexp_fast("list-runs", check=False, env=env)
    assert done.stderr.splitlines()[-1].startswith("hint: this is git version 2.7.4; aexp needs")


@pytest.mark.parametrize("command", WITHOUT_GIT)
def test_what_works_without_git(world: World, command: str) -> None:
    """LED-11: files can be read without git."""
    env = fake_git(world, "")
    world.machine.aexp_fast(*command.replace("{run}", world.run).split(), env=env)


@pytest.mark.parametrize("command", NEEDS_GIT)
def test_of_a_dot_git_that_points_nowhere(world: World, command: str) -> None:
    """Trap 32: a linked work tree whose repository was moved."""
    code = NO_REPO if command.startswith("install") else GIT
    make(world, Mistake("moved", command, code, "not a git rep|no repository", point_nowhere))


@pytest.mark.parametrize(
    "command", [c for c in EVERY_COMMAND if c not in ("sync", "uninstall --yes", "ledger resolve")]
)
def test_what_works_without_an_installation(world: World, command: str) -> None:
    """LED-09: reading and recording need no ``aexp install``."""
    shutil.rmtree(world.path / ".aexp/tmp", ignore_errors=True)
    (world.path / ".aexp/installed.json").unlink()
    done = world.machine.aexp_fast(*command.replace("{run}", world.run).split(), check=False)
    assert (done.returncode, "error: " in done.stderr) == (0, False), done.output


# --- damaged files ------------------------------------------------------------------------------


def spoil(name: str, data: str | None) -> Callable[[World], None]:
    """Return what replaces a file (``RUN`` is the run's folder) by ``data``, or by a folder."""

    def change(world: World) -> None:
        path = world.path / name.replace("RUN", f".runs/workspace/{world.run}").replace(
            "ENTRY", f".aexp/ledger/{world.run}.json"
        ).replace("FINDING", world.finding().relative_to(world.path).as_posix())
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            path.mkdir()
        else:
            path.write_text(data)

    return change


CHANGES_A_RUN = ("ledger promote {run}", "link {run} -e E001 --sub-hypothesis x")
STATEPOINT, DOCUMENT = "RUN/signac_statepoint.json", "RUN/signac_job_document.json"


@rows(
    *(
        Mistake(f"{file} {'a folder' if data is None else repr(data)}", c, CORRUPT, "damaged", do)
        for file in (STATEPOINT, DOCUMENT)
        for data in ("", '{"a": ', "[1]", "\x00", None)
        for do in (spoil(file, data),)
        for c in CHANGES_A_RUN
    ),
    *(
        Mistake("a damaged run", "ledger backfill --no-commit", PARTIAL, "1 of the ended", do,
                says="1 failed")
        for do in (spoil(STATEPOINT, "{"), spoil(DOCUMENT, "{"))
    ),
    Mistake("an entry that is a folder", "ledger promote {run}", CORRUPT, "cannot be read",
            spoil("ENTRY", None)),
    Mistake("a damaged entry", "ledger show {run}", NOT_FOUND, "no usable", spoil("ENTRY", "{")),
    Mistake("an empty entry", "ledger show {run}", NOT_FOUND, "no usable", spoil("ENTRY", "")),
    *(
        Mistake("a damaged marker", c, CORRUPT, "installed.json is damaged",
                spoil(".aexp/installed.json", data))
        for data in ("", "[]", '{"machine_label":')
        for c in ("status", "list-runs", "new-run -e E001", "ledger backfill", "validate")
    ),
    Mistake("a bad label in the marker", "ledger backfill", CORRUPT, "no machine label",
            spoil(".aexp/installed.json", '{"machine_label": "../x"}')),
    Mistake("a marker that is a folder", "new-run -e E001", CORRUPT, "cannot be read",
            spoil(".aexp/installed.json", None)),
    Mistake("a ledger that is a file", "ledger promote {run}", STORAGE, "cannot write",
            spoil(".aexp/ledger", "x")),
    Mistake("a run store that is a file", "new-run -e E001", STORAGE, "cannot write",
            spoil(".runs", "x")),
    Mistake("a kb that is a file", "new-hypothesis --title t", STORAGE, "cannot",
            spoil("kb/research/hypotheses", "x")),
)  # fmt: skip
def test_of_damaged_files(world: World, mistake: Mistake) -> None:
    """Traps 2, 3, 4, 32: what holds nonsense is named and left as it is."""
    make(world, mistake)


@pytest.mark.parametrize("file", [STATEPOINT, DOCUMENT, "ENTRY", ".aexp/runs-index/x.json"])
@pytest.mark.parametrize("data", ["", '{"a": ', "[1]", None])
@pytest.mark.parametrize("command", ["status", "list-runs", "show-run {run}", "list-batches"])
def test_reading_beside_a_damaged_file(
    world: World, command: str, file: str, data: str | None
) -> None:
    """Trap 3: one damaged file hides nothing else: readers go on."""
    spoil(file, data)(world)
    done = world.machine.aexp_fast(*command.replace("{run}", world.run).split())
    assert "E001" in done.stdout or command == "status"


def test_a_damaged_run_is_shown_as_the_ledger_has_it(world: World) -> None:
    """Trap 3: not as a run that was just created."""
    spoil(DOCUMENT, "{")(world)
    shown = world.machine.aexp_fast("show-run", world.run).stdout
    assert "status:       complete" in shown
    assert "damaged:      signac_job_document.json is no JSON" in shown
    world.entry.unlink()
    listed = world.machine.aexp_fast("list-runs", "--status", "complete").stdout
    assert world.run[:8] not in listed


def test_broken_yaml_is_told_with_its_line(world: World) -> None:
    """VAL-07: line and column of the file, the other problems beside it, exit 1."""
    finding = world.finding()
    finding.write_text("---\nid: F001\ntitle: [unclosed\nimpact: LOW\n---\n")
    done = world.machine.aexp_fast("validate", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.output
    name = finding.relative_to(world.path).as_posix()
    assert name in done.stdout
    assert "broken YAML at line 4" in done.stdout


# --- disks that refuse --------------------------------------------------------------------------

WRITES = (
    "new-run -e E001 --sp new=1", "run --sp new=1 -- true", "new-hypothesis --title t",
    "new-experiment --title t --hypothesis H001", NEW_FINDING, "runs-export-index",
    "link {run} -e E001 --sub-hypothesis x", "note {run} text", "tag {run} --add x",
)  # fmt: skip


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("open", errno.EROFS),
        ("open", errno.EACCES),
        ("write", errno.ENOSPC),
        ("fsync", errno.EIO),
        ("replace", errno.EDQUOT),
    ],
)
@pytest.mark.parametrize("command", WRITES)
def test_of_a_disk_that_refuses(
    world: World,
    command: str,
    call: str,
    number: int,
    failing_storage: Callable[..., AbstractContextManager[Any]],
) -> None:
    """Trap 32, LED-05: a read-only or full disk is told, and what was there stays."""
    if call == "replace" and command.startswith("new-h"):
        pytest.skip("it makes a new file only, and that by a link")
    if call == "replace" and command.startswith("new-run"):
        call = "rename"  # its files are written in a folder that nobody sees yet
    before = content(world.path)
    args = command.replace("{run}", world.run).split()
    with failing_storage(call, error=number):
        done = world.machine.aexp_fast(*args, check=False)
    check_told(done, code=STORAGE, error=os.strerror(number), root=world.path, args=args)
    after = content(world.path)
    assert {path: after.get(path) for path in before} == before
    made = [path for path in after if path not in before and not path.startswith(".runs/")]
    # An artifact comes first and its backlinks after (docs of `aexp.kb.create`).
    assert len(made) == (call == "replace" and command.startswith(("new-exp", "new-f"))), made
    assert not made or "was made, but not linked" in done.stderr
