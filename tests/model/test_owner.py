"""Who runs an attempt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.model.canonical import canonical_bytes, decode_json
from aexp.model.owner import Owner, proven_dead_by_restart

OWNER = Owner("gpu023", "boot", 4711, "pid:[1]", "12345", "99", 1)


@given(
    st.builds(Owner, st.text(max_size=5), st.text(max_size=5), st.integers(), st.text(max_size=5),
              st.text(max_size=5), st.text(max_size=5), st.integers(0, 99))
)  # fmt: skip
def test_it_survives_its_json(owner: Owner) -> None:
    """RUN-06: the record in a job document gives the same owner."""
    assert Owner.from_json(owner.to_json()) == owner


def test_it_survives_a_file() -> None:
    """RUN-06: through real bytes."""
    assert Owner.from_json(decode_json(canonical_bytes(OWNER.to_json()))) == OWNER


@pytest.mark.parametrize(
    "value",
    [None, [], "x", 3, {}, {"host": "a"}, {"host": "a", "pid": "no"}, {"host": "a", "pid": None},
     {"host": "a", "pid": float("inf")}, {"host": "a", "pid": float("nan")},
     {"host": "a", "pid": 1, "scheduler_restart": []}],
)  # fmt: skip
def test_damage_is_no_owner(value: Any) -> None:
    """Trap 3: a damaged record is None, not a crash."""
    assert Owner.from_json(value) is None


def test_an_older_record_may_lack_fields() -> None:
    """RUN-06: what is needed is host and pid."""
    assert Owner.from_json({"host": "a", "pid": 7}) == Owner("a", "", 7, "", "")


def test_it_is_described_for_people() -> None:
    """RUN-05: the refusal names the owner."""
    assert OWNER.describe() == "process 4711 on gpu023 (Slurm job 99)"
    assert replace(OWNER, scheduler_job="").describe() == "process 4711 on gpu023"


@pytest.mark.parametrize(
    ("job", "restart", "dead"),
    [("99", 2, True), ("99", 1, False), ("99", 0, False), ("98", 2, False), ("", 2, False)],
)
def test_a_higher_restart_count_proves_the_owner_dead(job: str, restart: int, dead: bool) -> None:
    """RUN-05: Slurm starts a job again only after its earlier processes are gone."""
    later = replace(OWNER, scheduler_job=job, scheduler_restart=restart, host="gpu024")
    assert proven_dead_by_restart(OWNER, later) is dead


def test_without_slurm_nothing_is_proven() -> None:
    """RUN-05: two processes outside Slurm have no job in common."""
    outside = replace(OWNER, scheduler_job="", scheduler_restart=0)
    assert not proven_dead_by_restart(outside, replace(outside, scheduler_restart=5))
