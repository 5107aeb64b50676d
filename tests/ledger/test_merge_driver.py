"""The merge driver: two versions of one file become one, or a conflict that nobody can miss."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.ledger import merge_driver
from aexp.ledger.judge import judge
from aexp.ledger.merge_driver import (
    DRIVER_COMMAND,
    conflict_text,
    driver_arguments,
    driver_command,
    merge_files,
)
from aexp.ledger.versions import sides_of
from aexp.model.canonical import canonical_bytes, signac_id
from aexp.model.entry import Parts, encode_entry, merge, put_together, record_digest, take_apart
from tests.model.test_entry import JOB, encoded, entry, versions
from tests.support.machines import run_command, run_in_process

PATH = f".aexp/ledger/{JOB}.json"


def version(machine: str, **changes: Any) -> bytes:
    """One version of the entry of ``JOB``, as this version of aexp writes it."""
    return encode_entry(
        put_together(take_apart({**entry(registered_machine=machine), **changes}))  # type: ignore[arg-type]
    )


def digested(**changes: Any) -> bytes:
    """An entry whose digest holds, whatever else is wrong with it."""
    value = entry(attempt_id="a1", **changes)
    return canonical_bytes({**value, "record_digest": record_digest(value)})


OURS, THEIRS = version("laptop", wallclock_s=1.0), version("cluster", wallclock_s=2.0)
BASE = version("cluster", wallclock_s=3.0, started_at="2026-11-20T12:00:00Z")


def machines_in(data: bytes) -> set[str]:
    """Return who registered the attempts of an entry."""
    value = json.loads(data)
    return {part["registered_machine"] for part in (value, *value.get("replicates", ()))}


# --- merging ------------------------------------------------------------------------------------


@given(versions(), versions(), st.none() | versions())
def test_it_is_the_merge_of_the_model(one: Parts, two: Parts, base: Parts | None) -> None:
    """LED-10: in either order, with and without a base, the bytes are the model's merge."""
    ours, theirs = encoded(one), encoded(two)
    expected = encoded(merge(one, two))
    ancestor = None if base is None else encoded(base)
    assert merge_files(ancestor, ours, theirs, PATH).data == expected
    assert merge_files(ancestor, theirs, ours, PATH).data == expected
    assert merge_files(b"", expected, theirs, PATH) == merge_driver.Merged(expected)


@given(versions(), versions(), st.data())
def test_a_corrupt_side_is_never_merged(one: Parts, two: Parts, data: st.DataObject) -> None:
    """LED-10, trap 72: a damaged side conflicts, unless all that it said can still be proved."""
    ours, theirs = encoded(one), encoded(two)
    place = data.draw(st.integers(0, len(theirs)), "place")
    length = data.draw(st.sampled_from([0, 1, 2, 40, len(theirs)]), "length")
    instead = data.draw(st.sampled_from([b"", b" ", b"0", b'"', b"\n", b"\xff", b'"a":1,']), "new")
    broken = theirs[:place] + instead + theirs[place + length :]
    for sides in ((ours, broken), (broken, ours)):
        merged = merge_files(None, *sides, PATH)
        if merged.conflict is None:
            assert merged.data == encoded(merge(one, two)) or ours == broken
        else:
            assert ours.strip() in merged.data
            assert broken.strip() in merged.data
            assert judge(JOB, PATH, merged.data)[1][0].code == "ledger.conflict"


def test_both_results_stand_in_the_merged_entry() -> None:
    """LED-10, trap 73: edits far from each other become two attempts, never a mixture."""
    merged = merge_files(BASE, OURS, THEIRS, PATH)
    assert merged.conflict is None
    assert machines_in(merged.data) == {"laptop", "cluster"}
    assert judge(JOB, PATH, merged.data)[1] == []


def test_entries_of_the_older_tool_merge(
    tmp_path: Path,
) -> None:
    """LED-10: entries without digests and attempt ids, as 0.6.x wrote them, merge too."""
    old = [canonical_bytes(entry(registered_machine=name)) for name in ("laptop", "cluster")]
    merged = merge_files(None, old[0], old[1], PATH)
    assert merged.conflict is None
    assert machines_in(merged.data) == {"laptop", "cluster"}
    sharded = f".aexp/ledger/{JOB[:2]}/{JOB}.json"
    assert merge_files(None, old[1], old[0], sharded) == merged


def test_a_retraction_wins() -> None:
    """LED-10, LED-12: a tombstone on one side stays, whatever the other side edited."""
    tombstone = take_apart(json.loads(OURS))
    gone = Parts(
        tombstone.identity, (), None, (), {"at": "2026-11-21T13:00:00Z", "reason": "wrong data"}
    )
    for sides in ((encoded(gone), THEIRS), (THEIRS, encoded(gone))):
        merged = merge_files(BASE, *sides, PATH)
        assert merged.conflict is None
        assert json.loads(merged.data)["status"] == "retracted"


OTHER_POINT = {"lr": 0.5, "seed": 3}
OTHER = canonical_bytes(entry(statepoint=OTHER_POINT, job_id=signac_id(OTHER_POINT)))
UNUSABLE = {
    "empty": (b"", "no JSON"),
    "no object": (b"[]\n", "no JSON object"),
    "torn": (OURS[: len(OURS) // 2], "no JSON"),
    "conflicted": (conflict_text(OURS, THEIRS), "markers"),
    "of another run": (OTHER, "entry of run"),
    "unproved": (digested(statepoint={"lr": 0.2, "seed": 0}), "hash of its state point"),
    "of a newer version": (digested(schema_version=2), "schema version 2"),
    "edited": (OURS.replace(b'"complete"', b'"failed"'), "record_digest"),
    "without its digest": (
        canonical_bytes({k: v for k, v in json.loads(OURS).items() if k != "record_digest"}),
        "record_digest is missing",
    ),
    "not ended": (digested(status="running"), "not terminal"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_unusable_side_conflicts(kind: str) -> None:
    """LED-10, INS-06: both sides are in the conflict, whole, and ``validate`` would see it."""
    bad, reason = UNUSABLE[kind]
    for ours, theirs, name in ((bad, THEIRS, "our side"), (THEIRS, bad, "their side")):
        merged = merge_files(BASE, ours, theirs, PATH)
        assert merged.conflict is not None
        assert reason in merged.conflict
        assert name in merged.conflict
        assert judge(JOB, PATH, merged.data)[1][0].code == "ledger.conflict"
        if kind != "conflicted":
            found = sides_of(merged.data)
            assert found is not None
            assert [side.rstrip(b"\n") for side in found[:2]] == [
                ours.rstrip(b"\n"),
                theirs.rstrip(b"\n"),
            ]
            assert found[2]


def test_entries_of_two_runs_never_meet() -> None:
    """Trap 74: what rename detection pairs wrongly is a conflict, whichever version is foreign."""
    for base, ours, theirs in (
        (OTHER, OURS, THEIRS),
        (BASE, OTHER, THEIRS),
        (BASE, OURS, OTHER),
        (OTHER, OURS, canonical_bytes({**json.loads(OTHER), "wallclock_s": 4.0})),
    ):
        merged = merge_files(base, ours, theirs, PATH)
        assert merged.conflict is not None
        assert ours in merged.data
        assert theirs in merged.data


def test_a_damaged_base_is_not_needed() -> None:
    """LED-10, trap 4: both sides repaired what was committed; that merges."""
    for base in (b"{", b"[]", b"\xff", conflict_text(OURS, THEIRS)):
        assert merge_files(base, OURS, THEIRS, PATH) == merge_files(None, OURS, THEIRS, PATH)


@pytest.mark.parametrize("path", [".aexp/ledger/sweeps/s1.json", ".aexp/ledger/notes.txt"])
def test_other_kinds_of_records_conflict(path: str) -> None:
    """INS-06: a record without a rule is taken from the only side that changed it, else left."""
    assert merge_files(b"old\n", b"new\n", b"old\n", path).data == b"new\n"
    assert merge_files(b"old\n", b"old\n", b"new\n", path).data == b"new\n"
    assert merge_files(b"old\n", b"new\n", b"new\n", path).conflict is None
    merged = merge_files(b"a\nb\nc\n", b"A\nb\nc\n", b"a\nb\nC\n", path)
    assert merged.conflict is not None
    assert sides_of(merged.data) == (b"A\nb\nc\n", b"a\nb\nC\n", True)
    assert merge_files(None, b"", b"new", path).conflict is not None


# --- the command --------------------------------------------------------------------------------


def prepare(folder: Path, ours: bytes = OURS, theirs: bytes = THEIRS, base: bytes = b"") -> None:
    """Write the three files as git prepares them."""
    for name, data in (("O", base), ("A", ours), ("B", theirs)):
        (folder / f".merge_file_{name}").write_bytes(data)


def result(folder: Path) -> bytes:
    """Return what git would read as the merged file."""
    return (folder / ".merge_file_A").read_bytes()


def test_exit_codes(tmp_path: Path) -> None:
    """INS-06: 0 when merged, 1 when in conflict; the result is in the second file."""
    names = [str(tmp_path / f".merge_file_{name}") for name in "OAB"]
    prepare(tmp_path)
    run_in_process(("ledger", "merge-driver", *names, PATH), cwd=tmp_path)
    assert result(tmp_path) == merge_files(None, OURS, THEIRS, PATH).data
    prepare(tmp_path, theirs=b"{")
    done = run_in_process(("ledger", "merge-driver", *names, PATH), cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert result(tmp_path) == conflict_text(OURS, b"{")
    assert "aexp ledger resolve" in done.stderr


def test_a_fault_inside_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """INS-06: should merging itself fail, both sides are left in the file."""

    def fail(*_: object) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(merge_driver, "merge_files", fail)
    prepare(tmp_path)
    names = [str(tmp_path / f".merge_file_{name}") for name in "OAB"]
    done = run_in_process(("ledger", "merge-driver", *names, PATH), cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert result(tmp_path) == conflict_text(OURS, THEIRS)


def shell(folder: Path, command: str, path: str = PATH) -> int:
    """Run the driver's line as git does, in ``folder``, and return its exit status."""
    line = command.replace("%P", shlex.quote(path)).replace("%%", "%")
    for name in "OAB":
        line = line.replace(f"%{name}", f".merge_file_{name}")
    search = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    env = {**os.environ, "PATH": search}
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=env, check=False, capture_output=True
    ).returncode


def put_program(folder: Path, text: str, mode: int = stat.S_IRWXU) -> None:
    """Put an ``aexp`` of ours first on the search path."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "aexp"
    program.write_text(text)
    program.chmod(mode)


FAULTS = {
    "cannot start": "#!/nonexistent/python\n",
    "does not know the command": "#!/bin/sh\necho No such command >&2; exit 2\n",
    "fails before it begins": "#!/bin/sh\necho ImportError >&2; exit 1\n",
    "unexpected": "#!/bin/sh\nexit 70\n",
    "not found": "#!/bin/sh\nexit 127\n",
    "killed": "#!/bin/sh\nkill -9 $$\n",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_without_its_program_git_merges_text(fault: str, tmp_path: Path) -> None:
    """Trap 72: whatever is wrong with the program, both sides are there, between markers."""
    put_program(tmp_path, FAULTS[fault])
    prepare(tmp_path, base=BASE)
    assert 0 < shell(tmp_path, DRIVER_COMMAND) < 128
    found = sides_of(result(tmp_path))
    assert found is not None
    assert found[:2] == (OURS, THEIRS)
    assert judge(JOB, PATH, result(tmp_path))[1][0].code == "ledger.conflict"


def test_the_fallback_never_mixes_distant_edits(tmp_path: Path) -> None:
    """Trap 73: entries without digests, edited far from each other, conflict all the same."""
    put_program(tmp_path, FAULTS["not found"])
    old = canonical_bytes(entry(attempt="x", notes=["line"] * 9, zone="utc"))
    ours = old.replace(b'"laptop"', b'"cluster"')
    theirs = old.replace(b'"utc"', b'"cet"')
    prepare(tmp_path, ours, theirs, old)
    assert shell(tmp_path, DRIVER_COMMAND) > 0
    found = sides_of(result(tmp_path))
    assert found is not None
    assert found[:2] == (ours, theirs)


def test_the_line_runs_the_program(tmp_path: Path) -> None:
    """INS-06: the line hands its answer on, and leaves the program's own conflict alone."""
    real = driver_command(f"{shlex.quote(sys.executable)} -m aexp")
    prepare(tmp_path)
    assert shell(tmp_path, real, path=PATH) == 0
    assert result(tmp_path) == merge_files(None, OURS, THEIRS, PATH).data
    prepare(tmp_path, theirs=b"{")
    assert shell(tmp_path, real) == 1
    assert result(tmp_path) == conflict_text(OURS, b"{")


def test_odd_paths_reach_the_program(tmp_path: Path) -> None:
    """INS-06: blanks, quotes and percent signs in a path change nothing."""
    put_program(tmp_path, '#!/bin/sh\nprintf "%s\\n" "$@" > "$0.args"\n')
    prepare(tmp_path)
    assert shell(tmp_path, DRIVER_COMMAND, path=".aexp/ledger/a b'c\"$(x).json") == 0
    said = (tmp_path / "bin" / "aexp.args").read_text().splitlines()
    assert said == [
        *("ledger", "merge-driver", ".merge_file_O", ".merge_file_A", ".merge_file_B"),
        ".aexp/ledger/a b'c\"$(x).json",
    ]


def test_the_stored_command_names_no_machine() -> None:
    """INS-11, trap 22: what goes into the configuration holds no path and no interpreter."""
    assert DRIVER_COMMAND.startswith("aexp ledger merge-driver %O %A %B %P ")
    assert sys.executable not in DRIVER_COMMAND
    assert str(Path.home()) not in DRIVER_COMMAND


def test_arguments_for_one_call(tmp_path: Path) -> None:
    """LED-14: git takes the arguments, and the program in them is this Python."""
    shown = run_command(
        ["git", *driver_arguments(), "config", "merge.aexp-ledger.driver"], cwd=tmp_path
    ).stdout
    assert sys.executable.replace("%", "%%") in shown
    assert "%O %A %B %P" in shown
