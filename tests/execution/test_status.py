"""The states of an execution, as a table on real executions (EXE-13)."""

from __future__ import annotations

from itertools import product

import pytest

from aexp.errors import InvalidTransitionError
from aexp.execution import ExecutionStatus
from aexp.execution.status import change
from aexp.model.execution import LEGAL
from aexp.repo import open_layout
from aexp.workspace.store import RunStore
from tests.execution.held import STATES, S, brought, created, document_of, entry_of, opened
from tests.support.machines import Machine
from tests.support.race import run_together

SEED = {
    "Created": {"Running", "Aborted"},
    "Running": {"Stopped", "Failed", "Pending_Upload", "Aborted"},
    "Stopped": {"Pending_Upload", "Aborted"},
    "Failed": {"Pending_Upload", "Aborted"},
    "Pending_Upload": {"Uploaded", "Failed"},
    "Uploaded": {"Pending_Upload"},
    "Aborted": set(),
}
"""The arrows of the seed's diagram, copied by hand from it and from its text."""

PAIRS = {
    (before.value, after.value): "same"
    if before is after
    else "legal"
    if after.value in SEED[before.value]
    else "refused"
    for before, after in product(STATES, STATES)
}


def test_the_table_is_that_of_the_seed() -> None:
    """EXE-13: 13 legal pairs, 29 that are refused, and 7 of a state to itself."""
    kinds = list(PAIRS.values())
    assert [kinds.count(kind) for kind in ("legal", "refused", "same")] == [13, 29, 7]
    assert {(a.value, b.value) for a, b in LEGAL} == {p for p, k in PAIRS.items() if k == "legal"}


@pytest.mark.parametrize("state", STATES)
def test_each_step_of_the_table(installed_repo: Machine, state: ExecutionStatus) -> None:
    """EXE-13: legal steps are taken, all others raise and change nothing on the disk."""
    repo = opened(installed_repo)
    execution = brought(repo, state)
    for after in STATES:
        before = document_of(execution)
        kind = PAIRS[state.value, after.value]
        if kind == "refused":
            with pytest.raises(InvalidTransitionError, match=f"{state.value} cannot become"):
                execution.update_status(after, "no")
            with pytest.raises(InvalidTransitionError, match=f"{state.value} cannot become"):
                change(execution.store, execution.execution_rid, after, message="no", force=True)
            assert document_of(execution) == before
        elif kind == "same":
            execution.update_status(after, "still here")
            now = document_of(execution)
            assert now["execution"].pop("message") == "still here"
            assert now["execution"].pop("message_at").endswith("Z")
            before["execution"].pop("message", None)
            before["execution"].pop("message_at", None)
            now.pop("ledger", None)
            before.pop("ledger", None)
            assert now == before
        else:
            other = brought(repo, state)
            other.update_status(after, f"on to {after.value}")
            assert (other.status, other.message) == (after, f"on to {after.value}")
            again = repo.lookup_execution(other.execution_rid)
            assert again.status is after
    assert execution.status is state


@pytest.mark.parametrize(
    ("state", "pair"),
    [
        (S.Created, ("created", "none")),
        (S.Running, ("running", "none")),
        (S.Stopped, ("complete", "none")),
        (S.Failed, ("failed", "none")),
        (S.Pending_Upload, ("complete", "pending_upload")),
        (S.Uploaded, ("complete", "uploaded")),
        (S.Aborted, ("abandoned", "none")),
    ],
)
def test_a_state_is_read_off_the_pair(
    installed_repo: Machine, state: ExecutionStatus, pair: tuple[str, str]
) -> None:
    """EXE-13, model.md: run status and publication are the state; there is no third copy of it."""
    execution = brought(opened(installed_repo), state)
    document = document_of(execution)
    assert (document["status"], document["execution"]["publication"]) == pair
    if state not in (S.Created, S.Running):
        entry = entry_of(execution)
        assert (entry["status"], entry["execution"]["publication"]) == pair


def test_what_was_given_up_keeps_how_it_ended(installed_repo: Machine) -> None:
    """model.md: outputs that are given up are withdrawn; how the run ended stays what it was."""
    repo = opened(installed_repo)
    for state, status in ((S.Stopped, "complete"), (S.Failed, "failed")):
        execution = brought(repo, state)
        execution.abort("not worth it")
        document = document_of(execution)
        assert document["status"] == status
        assert document["execution"]["publication"] == "withdrawn"
        assert execution.status is S.Aborted
    failed = brought(repo, S.Pending_Upload)
    failed.update_status(S.Failed, "the network is gone")
    assert document_of(failed)["status"] == "complete"
    assert document_of(failed)["execution"]["publication"] == "upload_failed"


def test_changes_compare_before_they_swap(installed_repo: Machine) -> None:
    """EXE-13: a change that expects another state changes nothing."""
    execution = brought(opened(installed_repo), S.Stopped)
    before = document_of(execution)
    with pytest.raises(InvalidTransitionError, match="is Stopped, not Running: another process"):
        change(execution.store, execution.execution_rid, S.Aborted, expect=S.Running)
    assert document_of(execution) == before


def go(root: str, rid: str, new: str, expect: str) -> str:
    """Try one step, in a process of its own."""
    store = RunStore(open_layout(root))
    try:
        change(store, rid, ExecutionStatus(new), expect=ExecutionStatus(expect), message=new)
    except InvalidTransitionError as error:
        return error.code
    return new


def test_of_racing_processes_one_wins(installed_repo: Machine) -> None:
    """EXE-13: of processes that race for one step, one wins and the others are told."""
    repo = opened(installed_repo)
    for state, wishes in (
        (S.Created, (S.Running, S.Aborted, S.Running)),
        (S.Stopped, (S.Pending_Upload, S.Aborted, S.Pending_Upload)),
        (S.Pending_Upload, (S.Uploaded, S.Failed, S.Uploaded)),
    ):
        execution = brought(repo, state)
        arguments = [
            (str(repo.root), execution.execution_rid, wish.value, state.value) for wish in wishes
        ]
        told = run_together(go, arguments)
        assert sorted(told).count("invalid-transition") == 2
        (winner,) = (word for word in told if word != "invalid-transition")
        assert (execution.status.value, execution.message) == (winner, winner)


def test_facts_are_written_with_the_step(installed_repo: Machine) -> None:
    """ADR 10: what is published becomes visible in the one write that says so."""
    execution = brought(opened(installed_repo), S.Pending_Upload)
    output = {"kind": "feature", "target": "Image", "feature": "Grade", "count": 3}
    change(
        execution.store,
        execution.execution_rid,
        S.Uploaded,
        facts={"outputs": [output], "execution": {"manifest": "sha256:" + "0" * 64}},
        error=None,
    )
    entry = entry_of(execution)
    assert entry["outputs"] == [output]
    assert entry["execution"]["manifest"] == "sha256:" + "0" * 64
    assert entry["execution"]["published_at"].endswith("Z")
    assert "description" not in entry["execution"]


def test_the_last_error_is_kept_until_the_next_step(installed_repo: Machine) -> None:
    """EXE-40: why publishing failed is kept and shown, and gone when it is tried again."""
    execution = brought(opened(installed_repo), S.Pending_Upload)
    problem = {"type": "TransferError", "message": "no route"}
    change(execution.store, execution.execution_rid, S.Failed, error=problem)
    assert execution.error == problem
    assert entry_of(execution)["execution"]["error"] == problem
    execution.update_status(S.Pending_Upload)
    assert execution.error is None


def test_messages_have_an_end(installed_repo: Machine) -> None:
    """EXE-12: a message stands in the ledger entry, so that an endless one is cut."""
    execution = brought(opened(installed_repo), S.Stopped)
    execution.update_status(S.Stopped, "x" * 100_000 + "\udc80")
    assert len(execution.message) == 2_000
    assert entry_of(execution)["execution"]["publication"] == "none"
    execution.update_status(S.Stopped)
    assert execution.message == ""


def test_uploaded_is_no_lie(installed_repo: Machine) -> None:
    """EXE-13: nobody calls published what is staged and was not published."""
    execution = created(opened(installed_repo))
    with execution:
        execution.asset_file_path("Model", "m.bin").write_bytes(b"weights")
    execution.update_status(S.Pending_Upload)
    with pytest.raises(InvalidTransitionError, match="1 staged file of") as refused:
        execution.update_status(S.Uploaded)
    assert refused.value.hint is not None and "upload_execution_outputs" in refused.value.hint
    assert execution.status is S.Pending_Upload
