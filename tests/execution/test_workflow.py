"""Workflows: which script runs, where it is to be seen, and what of it is not committed."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.errors import (
    CorruptDataError,
    DirtyTreeError,
    DirtyTreeWarning,
    NotFoundError,
    UsageError,
    WorkflowWarning,
)
from aexp.execution import ExecutionConfiguration
from aexp.execution.script import blob_id, without_outputs
from aexp.execution.workflow import Workflow, code_url
from aexp.ledger.merge_driver import merge_files
from aexp.ledger.workflows import list_workflows
from aexp.repo import open_layout
from aexp.runs.code_state import code_state
from tests.support.machines import Machine, TwoMachines, run_command

SCRIPT = """
import dataclasses, json
import aexp
repo = aexp.open_repo()
workflow = repo.add_workflow(repo.create_workflow("Fit", "Training", "Fits a line"))
print(json.dumps(dataclasses.asdict(workflow)))
"""


def described(machine: Machine, *command: str) -> dict[str, Any]:
    """Return the workflow that a program of the repository finds itself to be."""
    done = run_command([sys.executable, *command], cwd=machine.path)
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def notebook(*sources: str, **changes: Any) -> dict[str, Any]:
    """Return a notebook of code cells."""
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {},
            "source": source.splitlines(keepends=True),
            "execution_count": None,
            "outputs": [],
        }
        for number, source in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **changes}


def stripped(value: dict[str, Any]) -> bytes:
    """Return what the checksum of a notebook is made of."""
    return without_outputs(json.dumps(value).encode())


# --- the script ----------------------------------------------------------------------------------


def test_a_script_is_what_git_says_it_is(installed_repo: Machine) -> None:
    """EXE-02: checksum = git's blob hash of the script, url = remote + commit + path, version."""
    installed_repo.write("code/fit it.py", SCRIPT)
    installed_repo.git("remote", "add", "origin", "git@github.com:lab/study.git")
    commit = installed_repo.commit_all("A script")
    installed_repo.git("tag", "v1.2")
    found = described(installed_repo, "code/fit it.py")
    assert found == {
        "name": "Fit",
        "workflow_type": "Training",
        "description": "Fits a line",
        "url": f"https://github.com/lab/study/blob/{commit}/code/fit%20it.py",
        "checksum": installed_repo.git("hash-object", "code/fit it.py").stdout.strip(),
        "version": "v1.2",
        "path": "code/fit it.py",
        "dirty": False,
        "diff": None,
    }


def test_a_helper_is_not_taken_for_the_script(installed_repo: Machine) -> None:
    """EXE-02: of the files on the stack the outermost in the repository counts."""
    installed_repo.write("helper.py", SCRIPT)
    installed_repo.write("main.py", "import helper\n")
    installed_repo.commit_all("Two files")
    assert described(installed_repo, "main.py")["path"] == "main.py"


def test_a_repository_with_long_object_ids(tmp_path: Path) -> None:
    """EXE-02: the checksum is git's own where its objects have ids of 64 digits."""
    folder = tmp_path / "repo"
    run_command(["git", "init", "-q", "--object-format=sha256", str(folder)], cwd=tmp_path)
    machine = Machine(folder)
    for key, value in (("user.name", "A"), ("user.email", "a@example.invalid")):
        machine.git("config", key, value)
    machine.install()
    machine.write("fit.py", SCRIPT)
    machine.commit_all()
    found = described(machine, "fit.py")
    assert found["checksum"] == machine.git("hash-object", "fit.py").stdout.strip()
    assert len(found["checksum"]) == 64


def test_without_a_script_the_name_tells_workflows_apart(installed_repo: Machine) -> None:
    """EXE-02: at a prompt there is no script; that is said, and nothing is invented."""
    done = run_command([sys.executable, "-c", SCRIPT], cwd=installed_repo.path)
    assert "WorkflowWarning: there is no script here" in done.stderr
    found = json.loads(done.stdout)
    assert (found["path"], found["url"]) == (None, None)
    assert found["checksum"] == blob_id(b"Fit\nTraining\n")


def test_a_script_outside_the_repository_keeps_its_bare_name(
    installed_repo: Machine, tmp_path: Path
) -> None:
    """EXE-02, trap 17: no path of this machine is recorded, and no url that does not exist."""
    outside = tmp_path / "elsewhere" / "fit.py"
    outside.parent.mkdir()
    outside.write_text(SCRIPT, "utf-8")
    installed_repo.git("remote", "add", "origin", "https://github.com/lab/study.git")
    found = described(installed_repo, str(outside))
    assert (found["path"], found["url"]) == ("fit.py", None)


def test_url_and_checksum_can_be_given(installed_repo: Machine) -> None:
    """EXE-02: both are overridable; a checksum that is none is refused."""
    repo = aexp.open_repo(installed_repo.path)
    given = repo.create_workflow("A", "B", url="https://x.example/a.py", checksum="ABCDEF12")
    assert (given.url, given.checksum) == ("https://x.example/a.py", "abcdef12")
    with pytest.raises(UsageError, match="no checksum"):
        repo.create_workflow("A", "B", checksum="version 1")
    with pytest.raises(NotFoundError, match="nowhere"):
        repo.create_workflow("A", "B", script="nowhere.py")
    with pytest.raises(UsageError, match="a name and a type"):
        repo.create_workflow(" ", "B")


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/lab/study.git", "https://github.com/lab/study/blob/C/a%20b.py"),
        ("https://me:ghp_1@github.com/lab/study", "https://github.com/lab/study/blob/C/a%20b.py"),
        ("ssh://git@github.com:22/lab/study.git", "https://github.com/lab/study/blob/C/a%20b.py"),
        ("git@gitlab.lab.org:g/s/p.git", "https://gitlab.lab.org/g/s/p/-/blob/C/a%20b.py"),
        ("https://bitbucket.org/l/s.git", "https://bitbucket.org/l/s/src/C/a%20b.py"),
        ("https://codeberg.org/l/s.git", "https://codeberg.org/l/s/src/commit/C/a%20b.py"),
        ("https://git.lab.org/x/s.git", "git+https://git.lab.org/x/s.git@C#a%20b.py"),
        ("/srv/git/study.git", None),
        ("../study.git", None),
        ("file:///srv/git/study.git", None),
        ("C:/git/study.git", None),
    ],
)
def test_where_a_script_is_to_be_seen(remote: str, expected: str | None) -> None:
    """EXE-02, trap 17: an address that others can open, never with a credential."""
    assert code_url(remote, "C", "a b.py") == expected


def test_the_address_of_a_commit() -> None:
    """EXE-02: without a file it is the commit's page."""
    assert code_url("https://github.com/l/s", "C", None) == "https://github.com/l/s/tree/C"


# --- notebooks -----------------------------------------------------------------------------------


def test_running_a_notebook_does_not_change_its_checksum() -> None:
    """EXE-02: outputs, counters, ids and metadata are not code; texts, kinds and tags are."""
    plain = notebook("x = 1\ny = 2", "x + y")
    ran = notebook("x = 1\ny = 2", "x + y", metadata={"kernelspec": {"name": "mine"}})
    ran["cells"][1] |= {"execution_count": 7, "id": "other", "metadata": {"collapsed": True}}
    ran["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "3"}]
    assert stripped(ran) == stripped(plain)
    whole = notebook("x = 1\ny = 2", "x + y")
    whole["cells"][0]["source"] = "x = 1\ny = 2"
    assert stripped(whole) == stripped(plain)
    other = notebook("x = 1\ny = 3", "x + y")
    assert stripped(other) != stripped(plain)
    tagged = notebook("x = 1\ny = 2", "x + y")
    tagged["cells"][0]["metadata"] = {"tags": ["parameters"]}
    assert stripped(tagged) != stripped(plain)
    text = notebook("x = 1\ny = 2", "x + y")
    text["cells"][1]["cell_type"] = "markdown"
    assert stripped(text) != stripped(plain)


def test_an_old_notebook_has_a_checksum() -> None:
    """EXE-02: version 3 keeps its cells in worksheets."""
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["1"]}]}]}
    assert b'"source": "1"' in stripped(old)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"cells": [1]}', b"\xff"])
def test_what_is_no_notebook_is_said(installed_repo: Machine, data: bytes) -> None:
    """EXE-02, trap 32: one line, and no traceback."""
    (installed_repo / "a.ipynb").write_bytes(data)
    repo = aexp.open_repo(installed_repo.path)
    with pytest.raises(CorruptDataError, match=r"^a\.ipynb is no notebook"):
        repo.create_workflow("A", "B", script=installed_repo / "a.ipynb")


# --- the ledger ----------------------------------------------------------------------------------


def test_one_script_is_one_workflow(installed_repo: Machine) -> None:
    """EXE-02: deduplicated by checksum; the first registration stands, and that is said."""
    repo = aexp.open_repo(installed_repo.path)
    first = repo.add_workflow(repo.create_workflow("Fit", "Training", "A", script="train.py"))
    same = repo.add_workflow(repo.create_workflow("Fit", "Training", "A", script="train.py"))
    assert same == first
    with pytest.warns(WorkflowWarning, match=r"is known as the workflow 'Fit' \(Training\)") as got:
        other = repo.add_workflow(repo.create_workflow("Other", "Test", script="train.py"))
    assert got[0].filename == __file__
    assert (other.name, other.description) == ("Fit", "A")
    assert [record.name for record in list_workflows(open_layout(installed_repo.path))] == ["Fit"]
    installed_repo.write("train.py", "print(2)\n")
    installed_repo.commit_all()
    repo.add_workflow(repo.create_workflow("Other", "Test", script="train.py"))
    found = list_workflows(open_layout(installed_repo.path))
    assert [(record.name, record.path) for record in found] == [
        ("Fit", "train.py"),
        ("Other", "train.py"),
    ]


def test_creating_a_workflow_writes_nothing(installed_repo: Machine) -> None:
    """EXE-02: only its registration does; an execution registers it."""
    repo = aexp.open_repo(installed_repo.path)
    workflow = repo.create_workflow("Fit", "Training", script="train.py")
    assert installed_repo.status() == ""
    execution = repo.create_execution(ExecutionConfiguration(workflow=workflow))
    path = f".aexp/ledger/workflows/{workflow.checksum}.json"
    assert (installed_repo / path).is_file()
    assert execution.document["workflow"]["checksum"] == workflow.checksum


def test_workflows_travel(two_machines: TwoMachines) -> None:
    """EXE-02: sync, validate and verify carry the records; two machines write the same bytes."""
    checksums = []
    for machine in (two_machines.cluster, two_machines.laptop):
        repo = aexp.open_repo(machine.path)
        workflow = repo.create_workflow("Fit", "Training", "A", script="train.py")
        checksums.append(repo.add_workflow(workflow).checksum)
    assert checksums[0] == checksums[1]
    only = aexp.open_repo(two_machines.cluster.path)
    only.add_workflow(only.create_workflow("Mine", "Test", checksum="0123456789"))
    for machine in (two_machines.cluster, two_machines.laptop, two_machines.cluster):
        machine.aexp("sync")
    known = list_workflows(open_layout(two_machines.laptop.path))
    assert [record.name for record in known] == ["Fit", "Mine"]
    assert two_machines.laptop.aexp("ledger", "verify").returncode == 0
    assert "0 errors, 0 warnings" in two_machines.laptop.aexp("validate").output
    assert two_machines.laptop.status() == ""


def test_two_names_for_one_script_meet(two_machines: TwoMachines) -> None:
    """EXE-02, trap 20: clones that had not heard of each other merge, and agree on one name."""
    for machine, name in ((two_machines.cluster, "Fit"), (two_machines.laptop, "Fit a line")):
        repo = aexp.open_repo(machine.path)
        repo.add_workflow(repo.create_workflow(name, "Training", script="train.py"))
    for machine in (two_machines.cluster, two_machines.laptop, two_machines.cluster):
        machine.aexp("sync")
    known = [
        list_workflows(open_layout(m.path)) for m in (two_machines.cluster, two_machines.laptop)
    ]
    assert len(known[0]) == 1
    assert known[0] == known[1]
    assert two_machines.laptop.aexp("ledger", "verify").returncode == 0


def test_of_two_records_one_is_taken_by_no_chance(installed_repo: Machine) -> None:
    """EXE-02: the same one in both directions, and none when one of the two is damaged."""
    repo = aexp.open_repo(installed_repo.path)
    path = ".aexp/ledger/workflows/00000000.json"
    sides = []
    for name in ("B", "A"):
        repo.add_workflow(repo.create_workflow(name, "T", checksum="0" * 8))
        sides.append((installed_repo / path).read_bytes())
        (installed_repo / path).unlink()
    assert merge_files(None, *sides, path) == merge_files(sides[0], *sides[::-1], path)
    assert merge_files(None, *sides, path).data in sides
    torn = merge_files(None, sides[0], sides[1][:-9], path)
    assert torn.conflict is not None
    assert sides[0] in torn.data


def test_a_changed_record_is_found(installed_repo: Machine) -> None:
    """LED-12: `ledger verify` proves the records of workflows too; nobody trusts a damaged one."""
    repo = aexp.open_repo(installed_repo.path)
    workflow = repo.create_workflow("Fit", "Training", checksum="0123456789")
    repo.add_workflow(workflow)
    path = installed_repo / ".aexp/ledger/workflows/0123456789.json"
    text = path.read_text("utf-8")
    path.write_text(text.replace("Fit", "Fat"), "utf-8")
    done = installed_repo.aexp_fast("ledger", "verify", check=False)
    assert done.returncode != 0
    assert "workflows/0123456789.json" in done.output
    with pytest.raises(CorruptDataError, match="record_digest"):
        repo.add_workflow(workflow)
    path.rename(path.with_name("fedcba98.json"))
    assert "fedcba98.json" in installed_repo.aexp_fast("ledger", "verify", check=False).output
    path.with_name("fedcba98.json").rename(path.with_name("notes.json"))
    assert "no checksum" in installed_repo.aexp_fast("ledger", "verify", check=False).output


def test_a_secret_in_a_description_is_not_shared(installed_repo: Machine) -> None:
    """LED-02, trap 17: what looks like a secret is redacted."""
    repo = aexp.open_repo(installed_repo.path)
    secret = "ghp_" + "a1B2" * 9
    made = repo.add_workflow(
        repo.create_workflow("Fit", "Training", f"with {secret}", checksum="0" * 8)
    )
    assert secret not in made.description
    assert secret not in installed_repo.read(".aexp/ledger/workflows/00000000.json")
    assert installed_repo.aexp_fast("ledger", "verify").returncode == 0


# --- uncommitted changes -------------------------------------------------------------------------


def test_uncommitted_changes_are_named_and_recorded(installed_repo: Machine) -> None:
    """EXE-03: a warning that names the files, `dirty: true` and the digest of the changes."""
    installed_repo.write("train.py", "print(3)\n")
    installed_repo.write("new.py", "")
    installed_repo.write("notes.txt", "not code")
    repo = aexp.open_repo(installed_repo.path)
    with pytest.warns(DirtyTreeWarning, match=r"uncommitted changes: new\.py, train\.py;") as got:
        workflow = repo.create_workflow("Fit", "Training", script="train.py")
    assert got[0].filename == __file__
    assert workflow.dirty
    assert workflow.diff == code_state(open_layout(installed_repo.path)).diff is not None
    execution = repo.create_execution(ExecutionConfiguration(workflow=workflow))
    assert execution.document["workflow"]["dirty"] is True
    assert execution.document["workflow"]["diff"] == workflow.diff


def test_many_uncommitted_changes_are_counted(installed_repo: Machine) -> None:
    """EXE-03: the message names some, and says how many more there are."""
    for number in range(8):
        installed_repo.write(f"m{number}.py", "")
    with pytest.warns(DirtyTreeWarning, match=r"m0\.py, m1\.py, m2\.py, m3\.py, m4\.py and 3 more"):
        aexp.open_repo(installed_repo.path).create_workflow("A", "B", checksum="0" * 8)


@pytest.mark.parametrize(("value", "silent"), [("true", True), ("1", True), ("false", False)])
def test_the_warning_can_be_silenced(
    installed_repo: Machine, monkeypatch: pytest.MonkeyPatch, value: str, silent: bool
) -> None:
    """EXE-03: AEXP_ALLOW_DIRTY=true silences it; what is recorded is the same."""
    installed_repo.write("train.py", "print(3)\n")
    monkeypatch.setenv("AEXP_ALLOW_DIRTY", value)
    with warnings.catch_warnings(record=True) as got:
        warnings.simplefilter("always")
        workflow = aexp.open_repo(installed_repo.path).create_workflow("A", "B", script="train.py")
    assert bool(got) is not silent
    assert workflow.dirty


def test_a_strict_repository_refuses(
    installed_repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-03: `executions: {dirty: refuse}` makes an error of it, also with AEXP_ALLOW_DIRTY."""
    installed_repo.write("aexp.yaml", "executions:\n  dirty: refuse\n")
    installed_repo.commit_all()
    repo = aexp.open_repo(installed_repo.path)
    clean = repo.create_workflow("A", "B", script="train.py")
    installed_repo.write("train.py", "print(3)\n")
    monkeypatch.setenv("AEXP_ALLOW_DIRTY", "true")
    with pytest.raises(DirtyTreeError, match=r"uncommitted changes: train\.py; aexp\.yaml refuses"):
        repo.create_workflow("A", "B", script="train.py")
    # A workflow that was described before the change does not help.
    with pytest.raises(DirtyTreeError):
        repo.create_execution(ExecutionConfiguration(workflow=clean))
    assert not list((installed_repo / ".runs").rglob("execution.sqlite"))


@pytest.mark.parametrize("text", ["executions: {dirty: maybe}", "executions: [dirty]"])
def test_a_setting_that_cannot_be_is_an_error(installed_repo: Machine, text: str) -> None:
    """EXE-03: a strict mode that was misspelt is not silently the usual one."""
    installed_repo.write("aexp.yaml", text)
    with pytest.raises(CorruptDataError, match=r"aexp\.yaml: executions\.dirty"):
        aexp.open_repo(installed_repo.path).create_workflow("A", "B", checksum="0" * 8)


def test_a_workflow_is_a_plain_value() -> None:
    """EXE-02: two of the same facts are equal, and it is no more than its facts."""
    assert Workflow("A", "B", checksum="1") == Workflow("A", "B", checksum="1")
    assert Workflow("A", "B").dirty is False
