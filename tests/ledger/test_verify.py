"""``aexp ledger verify`` reads every file anew and says how to mend what is wrong (LED-12)."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aexp.errors import AexpError
from aexp.ledger.reshard import apply_reshard, plan_reshard
from aexp.ledger.verify import verify_ledger
from aexp.model.canonical import canonical_bytes, digest_of, signac_id
from aexp.model.entry import (
    ATTEMPT_FIELDS,
    DERIVED_FIELDS,
    IDENTITY_FIELDS,
    RUN_FIELDS,
    record_digest,
)
from aexp.repo import open_layout
from aexp.runs.retract import retract
from tests.ledger.test_backfill import CORRUPT, backfill, entry_of, name_of, put_run
from tests.ledger.test_store import CODES, rewrite
from tests.support.machines import Machine

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.fixture
def runs(installed_repo: Machine) -> tuple[str, str]:
    """Two ended runs of ``installed_repo`` that are in the ledger, which is committed."""
    ids = put_run(installed_repo), put_run(installed_repo, 1)
    installed_repo.aexp_fast("ledger", "backfill")
    return ids


def verify(machine: Machine, *args: str, code: int | None = None) -> dict[str, Any]:
    """Return what ``verify --format json`` says, and check its exit code against the report."""
    done = machine.aexp_fast("ledger", "verify", "--format", "json", *args, check=False)
    report: dict[str, Any] = json.loads(done.stdout)
    errors = [p for p in report["problems"] if p["severity"] == "error"]
    assert report["ok"] is not errors if errors else report["ok"]
    assert done.returncode == (1 if errors else 0)
    assert code in (None, done.returncode)
    return report


def found(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return code, severity and path of each problem."""
    return [(p["code"], p["severity"], p["path"]) for p in report["problems"]]


def test_a_sound_ledger(installed_repo: Machine, runs: tuple[str, str]) -> None:
    """LED-12: nothing is wrong, exit 0; the work tree and the commit say the same."""
    for args in ((), ("--commit", "HEAD"), runs):
        report = verify(installed_repo, *args, code=0)
        assert (report["entries"], report["sound"], report["problems"]) == (2, 2, [])
    shown = installed_repo.aexp_fast("ledger", "verify").stdout
    assert shown == "2 entries: 2 sound, 0 problems\n"
    head = installed_repo.head()
    shown = installed_repo.aexp_fast("ledger", "verify", "--commit", "HEAD").stdout
    assert head[:8] in shown


def test_an_empty_ledger(installed_repo: Machine) -> None:
    """LED-12: no entry is no fault."""
    assert verify(installed_repo, code=0)["entries"] == 0


@pytest.mark.parametrize("kind", CORRUPT)
def test_every_corruption_is_found(
    installed_repo: Machine, runs: tuple[str, str], kind: str
) -> None:
    """LED-12, trap 2: it is one problem, with what mends it, in work tree and commit."""
    bad, _ = runs
    installed_repo.write(name_of(bad), CORRUPT[kind](installed_repo.read(name_of(bad))))
    installed_repo.commit_all()
    for args in ((), ("--commit", "HEAD"), (bad,)):
        report = verify(installed_repo, *args, code=1)
        assert found(report) == [(CODES[kind], "error", name_of(bad))]
        assert report["problems"][0]["mend"]
        assert report["sound"] == report["entries"] - 1
    assert found(verify(installed_repo, "--commit", "HEAD~1", code=0)) == []
    shown = installed_repo.aexp_fast("ledger", "verify", check=False).stdout
    assert f"error   {CODES[kind]}  {name_of(bad)}: " in shown
    assert f"\n{CODES[kind]}: " in shown


def test_the_cache_is_not_believed(installed_repo: Machine, runs: tuple[str, str]) -> None:
    """Decision 7: a proof reads the files, and writes nothing."""
    before = {p.name for p in (installed_repo / ".aexp").iterdir()}
    verify(installed_repo, code=0)
    assert {p.name for p in (installed_repo / ".aexp").iterdir()} == before


def test_a_digest_that_was_taken_out(installed_repo: Machine, runs: tuple[str, str]) -> None:
    """LED-12: an entry of ours without its digest is not what was written."""
    rewrite(installed_repo, runs[0], digest=False)
    assert found(verify(installed_repo)) == [("ledger.digest_mismatch", "error", name_of(runs[0]))]


def test_secrets_and_paths(installed_repo: Machine, runs: tuple[str, str]) -> None:
    """LED-02: what 0.6.x let through, or somebody wrote by hand, is seen; the text names no secret.

    A path of one machine is a warning: it harms nobody, and the entry is what was written.
    """
    rewrite(installed_repo, runs[0], note=f"use {SECRET}")
    rewrite(installed_repo, runs[1], note="see /home/ada/x.csv", redacted=["/params/data"])
    report = verify(installed_repo, code=1)
    assert sorted(found(report)) == sorted(
        [
            ("ledger.unsanitized", "error", name_of(runs[0])),
            ("ledger.unsanitized", "warning", name_of(runs[1])),
        ]
    )
    assert SECRET not in json.dumps(report)
    assert verify(installed_repo, runs[1], code=0)["sound"] == 1


def test_unprovable_and_redacted_entries_are_sound(installed_repo: Machine) -> None:
    """LED-02: a redacted state point is a warning; the pointers in an entry are no paths."""
    job_id = put_run(installed_repo)
    entry = dict(entry_of(installed_repo, job_id)) if backfill(installed_repo) else {}
    entry["statepoint"] = {**entry["statepoint"], "home": "<redacted:path>"}
    entry["redacted"] = ["/metrics/acc", "/statepoint/data/train/home", "/params/data/dir"]
    entry.pop("record_digest")
    entry["record_digest"] = record_digest(entry)
    (installed_repo / name_of(job_id)).write_bytes(canonical_bytes(entry))
    report = verify(installed_repo, code=0)
    assert found(report) == [("ledger.unprovable", "warning", name_of(job_id))]
    assert report["sound"] == 1


def test_misplaced_files(installed_repo: Machine, runs: tuple[str, str]) -> None:
    """LED-12, trap 10: whatever is no record is a warning, wherever it stands."""
    ledger = installed_repo / ".aexp/ledger"
    stray = [
        "README.md",
        f"{runs[0]}.json.tmp",
        f"{'0' * 32}/x.json",
        f"zz/{runs[0]}.json",
        f"{runs[0][:2]}/deep/{runs[0]}.json",
        "sweeps/notes.txt",
    ]
    for name in stray:
        installed_repo.write(f".aexp/ledger/{name}", "x")
    wrong = "00" if runs[0][:2] != "00" else "01"
    shutil.copytree(ledger / runs[0][:2], ledger / "copy", dirs_exist_ok=True)
    installed_repo.write(f".aexp/ledger/{wrong}/{runs[0]}.json", "{}")
    os.symlink("README.md", ledger / "link.json")
    report = verify(installed_repo, code=0)
    paths = {path for code, _, path in found(report) if code == "ledger.stray"}
    wanted = {*stray, f"{wrong}/{runs[0]}.json", "link.json", f"copy/deep/{runs[0]}.json"}
    assert paths == {f".aexp/ledger/{name}" for name in wanted}
    installed_repo.write(".aexp/ledger/workflows/W001.json", "{}")
    # It stands where workflows do, and is no workflow, which is another fault.
    shown = found(verify(installed_repo))
    assert sorted(path for code, _, path in shown if code == "ledger.stray") == sorted(paths)


def test_an_unfinished_merge(installed_repo: Machine, runs: tuple[str, str]) -> None:
    """VAL-08: an entry that git's index holds unmerged is a conflict, though its file is whole."""
    path = name_of(runs[0])
    blob = installed_repo.git("rev-parse", f"HEAD:{path}").stdout.strip()
    installed_repo.git("rm", "-q", "--cached", path)
    stages = "".join(f"100644 {blob} {stage}\t{path}\n" for stage in (1, 2, 3))
    installed_repo.git("update-index", "--index-info", input=stages)
    report = verify(installed_repo, code=1)
    assert found(report) == [("ledger.conflict", "error", path)]
    assert "resolve" in report["problems"][0]["mend"]


def test_parts_that_were_too_large(installed_repo: Machine) -> None:
    """LED-01: a part beside the run is hashed where it is here, and nobody is blamed elsewhere."""
    job_id = put_run(installed_repo, params={f"p{n}": "x" * 100 for n in range(400)})
    backfill(installed_repo)
    (item,) = entry_of(installed_repo, job_id)["attachments"]
    part = installed_repo / (
        f".runs/workspace/{job_id}/attachments/{item['digest'].replace(':', '-')}.json"
    )
    data = part.read_bytes()
    assert digest_of(data) == item["digest"]
    assert verify(installed_repo, code=0)["sound"] == 1
    part.write_bytes(data + b" ")
    report = verify(installed_repo, code=1)
    assert found(report) == [("ledger.attachment_damaged", "error", name_of(job_id))]
    assert "aexp.params.json" in report["problems"][0]["message"]
    part.unlink()
    verify(installed_repo, code=0)


@pytest.mark.parametrize(
    "attachments",
    [
        None,
        {},
        "x",
        [1],
        [{"digest": 1}],
        [{"digest": "sha256:../../../../etc/passwd"}],
        [{"name": "a", "digest": "sha256:" + "0" * 64}],
    ],
)
def test_odd_attachments(installed_repo: Machine, runs: tuple[str, str], attachments: Any) -> None:
    """Trap 3: whatever an entry has as attachments, verify does not raise."""
    rewrite(installed_repo, runs[0], attachments=attachments)
    verify(installed_repo, code=0)


@pytest.mark.parametrize("depth", [100, 400, 600, 900, 3000])
@pytest.mark.parametrize("inner", ["x", f"password={SECRET[4:]}"], ids=["plain", "secret"])
def test_deeply_nested_entries(
    installed_repo: Machine, runs: tuple[str, str], depth: int, inner: str
) -> None:
    """Trap 3: an entry that is nested too deeply is one problem, here and in validate."""
    entry = {**entry_of(installed_repo, runs[0]), "params": "NESTED"}
    del entry["record_digest"]
    del entry["attempt_id"]
    nested = '{"k":' * depth + json.dumps(inner) + "}" * depth
    text = json.dumps(entry).replace('"NESTED"', nested)
    installed_repo.write(name_of(runs[0]), text)
    report = verify(installed_repo)
    assert {path for _, _, path in found(report)} <= {name_of(runs[0])}
    assert verify(installed_repo, runs[1], code=0)["sound"] == 1
    assert bool(report["problems"]) is (depth > 480 or inner != "x")
    done = installed_repo.aexp_fast("validate", "--runs-only", "--format", "json", check=False)
    assert done.returncode in (0, 1)


def test_some_runs_only(installed_repo: Machine, runs: tuple[str, str]) -> None:
    """LED-04: prefixes work, and an unknown run or commit is said."""
    installed_repo.write(name_of(runs[0]), "{}")
    assert verify(installed_repo, runs[1][:10], code=0)["entries"] == 1
    assert verify(installed_repo, runs[0][:10], code=1)["entries"] == 1
    fail = {
        ("0" * 32,): (4, "there is no run 0"),
        ("zebra",): (2, "is no run id"),
        ("--commit", "no-such"): (4, "there is no commit no-such"),
        ("--commit", "--output=x"): (4, "there is no commit --output=x"),
    }
    for args, (code, said) in fail.items():
        done = installed_repo.aexp_fast("ledger", "verify", *args, check=False)
        assert said in done.require(code).stderr


def test_a_tombstone_is_sound(installed_repo: Machine, runs: tuple[str, str]) -> None:
    """LED-12: so is a run with a file in both layouts, which is a warning."""
    installed_repo.aexp_fast("ledger", "retract", runs[0], "--reason", "wrong data")
    flat = installed_repo / name_of(runs[1])
    twin = flat.parent / runs[1][:2] / flat.name
    twin.parent.mkdir()
    shutil.copy(flat, twin)
    report = verify(installed_repo, code=0)
    assert report["sound"] == 2
    assert [code for code, _, _ in found(report)] == ["ledger.duplicate"]
    assert "reshard" in report["problems"][0]["mend"]


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
_fields = st.sampled_from(
    [*ATTEMPT_FIELDS, *RUN_FIELDS, *DERIVED_FIELDS, *IDENTITY_FIELDS, "unknown"]
)


@settings(max_examples=60)
@given(changes=st.dictionaries(_fields, _json, max_size=4), seal=st.booleans())
def test_whatever_an_entry_holds(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any], seal: bool
) -> None:
    """Trap 3: verify, reshard and retract raise nothing but our errors, and lose no entry."""
    root = tmp_path_factory.mktemp("fuzz")
    point = {"a": 1}
    job_id = signac_id(point)
    entry: dict[str, Any] = {
        "schema_version": 1,
        "job_id": job_id,
        "statepoint": point,
        "status": "complete",
        "promoted_at": "2026-01-01T00:00:00Z",
        "registered_machine": "laptop",
        **changes,
    }
    try:
        if seal:
            entry.pop("record_digest", None)
            entry["record_digest"] = record_digest(entry)
        data = canonical_bytes(entry)
    except ValueError:  # a surrogate, an infinity
        assume(False)
    path = root / name_of(job_id)
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    layout = open_layout(root, require_git=False)
    report = verify_ledger(layout)
    assert report.entries == 1
    assert report.sound == 1 or not report.ok
    plan = plan_reshard(layout, "sharded")
    apply_reshard(layout, plan)
    assert verify_ledger(layout).sound == report.sound
    with contextlib.suppress(AexpError):
        retract(layout, job_id, "a reason")
        assert verify_ledger(layout).ok
