"""Attempts of one run that ended differently are told (LED-10)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aexp.errors import CorruptDataError
from aexp.model.canonical import signac_id
from aexp.model.entry import encode_entry, put_together, take_apart
from aexp.repo import Policy, read_policy
from aexp.validate.replicates import disagreements
from tests.support.machines import Machine

POINT = {"experiment_id": "E001", "seed": 0}
JOB = signac_id(POINT)


def entry_of(*attempts: dict[str, Any]) -> Any:
    """Return the entry of a run with these attempts."""
    tops = [
        {
            "status": "complete",
            "attempt_id": f"{number:04d}",
            "promoted_at": "2026-01-01T00:00:00Z",
            "registered_machine": f"m{number}",
            **attempt,
        }
        for number, attempt in enumerate(attempts)
    ]
    first = {"schema_version": 1, "job_id": JOB, "statepoint": POINT, **tops[0]}
    return put_together(take_apart({**first, "replicates": tops[1:]}))


def with_acc(*values: Any) -> Any:
    """Return the entry of a run whose attempts ended with these values of one metric."""
    return entry_of(*({"metrics": {"acc": {"value": value, "count": 1}}} for value in values))


@pytest.mark.parametrize(
    ("values", "differ"),
    [
        ((0.5,), False),
        ((0.5, 0.5), False),
        ((0.5, 0.51), False),
        ((0.95, 1.0), False),
        ((0.949, 1.0), True),
        ((0.5, 0.51, 0.9), True),
        ((-1.0, 1.0), True),
        ((0.0, 1e-10), False),
        ((0.0, 1e-8), True),
        (("NaN", "NaN"), False),
        (("NaN", 0.5), True),
        (("Infinity", "Infinity"), False),
        (("Infinity", "-Infinity"), True),
        (("Infinity", 1.0), True),
        ((10**400, 10**400), False),
        ((10**400, 1), True),
        (("good", 0.5), False),
        ((True, 0.5), False),
        ((None, 0.5), False),
    ],
    ids=repr,
)
def test_when_results_disagree(values: tuple[Any, ...], differ: bool) -> None:
    """LED-10: beyond five hundredths of the larger value, and beyond rounding noise near zero."""
    assert bool(list(disagreements(with_acc(*values), 0.05))) is differ


def test_only_complete_attempts_count() -> None:
    """LED-10: a failed attempt may have ended anywhere."""
    entry = entry_of(
        {"metrics": {"acc": {"value": 0.5}}},
        {"metrics": {"acc": {"value": 0.9}}, "status": "failed"},
    )
    assert list(disagreements(entry, 0.05)) == []


@pytest.mark.parametrize("metrics", [None, [], "x", {"acc": 1}, {"acc": {}}, {"acc": None}])
def test_odd_metrics_are_no_disagreement(metrics: Any) -> None:
    """Trap 3: whatever an attempt has as metrics, nothing raises."""
    entry = with_acc(0.5, 0.9)
    entry["replicates"][0]["metrics"] = metrics
    assert list(disagreements(entry, 0.05)) == []


def put(machine: Machine, entry: Any) -> None:
    machine.write(f".aexp/ledger/{JOB}.json", encode_entry(entry).decode())


def issues(machine: Machine) -> list[dict[str, Any]]:
    """Return what ``validate --runs-only`` reports of ledger and settings."""
    done = machine.aexp_fast("validate", "--runs-only", "--format", "json", check=False)
    found = json.loads(done.require(0, 1).stdout)["issues"]
    return [i for i in found if i["code"].startswith(("ledger.", "settings."))]


def test_one_warning_for_a_run(installed_repo: Machine) -> None:
    """LED-10: the worst metric is named with both values and machines; all are in the detail."""
    both = [{"acc": {"value": a}, "loss": {"value": b}} for a, b in ((0.5, 1.0), (0.9, 1.1))]
    put(installed_repo, entry_of(*({"metrics": metrics} for metrics in both)))
    (issue,) = issues(installed_repo)
    assert issue["code"] == "ledger.replicate_disagreement"
    assert issue["severity"] == "warning"
    assert issue["path"] == f".aexp/ledger/{JOB}.json"
    assert "disagree on acc: 0.5 on m0, 0.9 on m1; 0.444 of the larger apart" in issue["message"]
    assert issue["message"].endswith("0.05 is allowed (and another metric)")
    assert issue["detail"]["metrics"]["loss"] == [
        {"machine": "m0", "value": 1.0},
        {"machine": "m1", "value": 1.1},
    ]


def test_the_repository_sets_the_tolerance(installed_repo: Machine) -> None:
    """Decision 9: ``policy.replicate_tolerance`` in aexp.yaml holds for every clone."""
    put(installed_repo, with_acc(0.5, 0.6))
    assert len(issues(installed_repo)) == 1
    installed_repo.write("aexp.yaml", "policy:\n  replicate_tolerance: 0.2\n")
    assert issues(installed_repo) == []
    installed_repo.write("aexp.yaml", "policy: {replicate_tolerance: 0}\n")
    put(installed_repo, with_acc(0.5, 0.5 + 1e-8))
    assert len(issues(installed_repo)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "policy: [",
        "- a list",
        "policy: yes please",
        "policy: {replicate_tolerance: much}",
        "policy: {replicate_tolerance: -1}",
        "policy: {replicate_tolerance: .inf}",
        "policy: {replicate_tolerance: .nan}",
        "policy: {replicate_tolerance: true}",
    ],
)
def test_settings_that_cannot_be_used_are_told(installed_repo: Machine, text: str) -> None:
    """Trap 29: broken settings are one warning, and the usual ones are used."""
    put(installed_repo, with_acc(0.5, 0.9))
    installed_repo.write("aexp.yaml", text)
    assert [i["code"] for i in issues(installed_repo)] == [
        "ledger.replicate_disagreement",
        "settings.malformed",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "remotes: {}\n", "policy:\n", "policy: {}\n"])
def test_settings_may_be_left_out(text: str) -> None:
    """Decision 9: what is not set is as usual."""
    assert read_policy(text.encode()) == Policy()


def test_settings_are_utf_8() -> None:
    """Decision 9: other bytes are refused with a reason."""
    with pytest.raises(CorruptDataError, match="UTF-8"):
        read_policy(b"\xff\xfe")
