"""Names of things."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.errors import AmbiguousIdError, NotFoundError, UsageError
from aexp.model.ids import is_experiment_id, is_job_id, legacy_attempt_id, resolve_prefix

JOB = "0123456789abcdef0123456789abcdef"
OTHER = "0123ffff89abcdef0123456789abcdef"
IDS = st.text("0123456789abcdef", min_size=32, max_size=32)
quick = settings(deadline=None, max_examples=60)


def test_job_ids() -> None:
    """Trap 2: a job id is exactly 32 lowercase hex digits."""
    assert is_job_id(JOB)
    bad: list[Any] = [JOB[:-1], JOB + "0", JOB.upper(), JOB + "\n", "g" * 32, "٣" * 32, None, 1]
    assert not any(is_job_id(text) for text in bad)


def test_experiment_ids() -> None:
    """RUN-01: experiments are called E and at least three digits."""
    assert all(is_experiment_id(text) for text in ("E001", "E1234"))
    bad: list[Any] = ["E01", "e001", "H001", "E001 ", "E001\n", "E٠٠١", "", None, 1]
    assert not any(is_experiment_id(text) for text in bad)


@quick
@given(st.sets(IDS, min_size=1, max_size=5), st.data())
def test_prefixes(ids: set[str], data: st.DataObject) -> None:
    """LED-04: an unambiguous beginning finds its run; an ambiguous one is never guessed."""
    wanted = data.draw(st.sampled_from(sorted(ids)))
    prefix = wanted[: data.draw(st.integers(1, 32))]
    found = [one for one in ids if one.startswith(prefix)]
    if len(found) == 1:
        assert resolve_prefix(f" {prefix.upper()} ", ids) == wanted
    else:
        with pytest.raises(AmbiguousIdError):
            resolve_prefix(prefix, ids)


def test_ambiguous_prefixes_name_their_runs() -> None:
    """LED-04: the runs that share a beginning are named, long enough to tell apart."""
    with pytest.raises(AmbiguousIdError, match="2 run ids: 01234567, 0123ffff"):
        resolve_prefix("0123", [JOB, OTHER, JOB])


def test_unknown_ids_name_near_ones() -> None:
    """LED-04: a mistyped id is told what it may have meant."""
    with pytest.raises(NotFoundError, match="no run 01234568") as caught:
        resolve_prefix("01234568", [JOB, OTHER])
    assert "01234567" in str(caught.value.hint)
    with pytest.raises(NotFoundError) as caught:
        resolve_prefix("ff", [])
    assert "list-runs" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["", " ", "xyz", "../..", "H001", "-1", "0" * 33])
def test_what_cannot_be_an_id(text: str) -> None:
    """LED-04: other text is refused as such."""
    with pytest.raises(UsageError, match="no run id"):
        resolve_prefix(text, [JOB])


def test_legacy_attempt_ids() -> None:
    """LED-01: made from machine and beginning; the end counts only where no beginning is known."""
    known = legacy_attempt_id(JOB, "laptop", "s", "e")
    assert known == legacy_attempt_id(JOB, "laptop", "s", "")
    assert legacy_attempt_id(JOB, "laptop", "", "e") == legacy_attempt_id(JOB, "laptop", "", "e")
    others = {
        legacy_attempt_id(OTHER, "laptop", "s", "e"),
        legacy_attempt_id(JOB, "cluster", "s", "e"),
        legacy_attempt_id(JOB, "laptop", "t", "e"),
        legacy_attempt_id(JOB, "laptop", "", "e"),
    }
    assert len({known, *others}) == 5
