"""``aexp ledger resolve`` on markers that git takes for merged: they were added or committed."""

from __future__ import annotations

import pytest

from aexp.ledger.merge_driver import conflict_text, merge_files
from aexp.ledger.versions import sides_of
from aexp.model.canonical import canonical_bytes
from tests.ledger.test_merge_driver import BASE, OURS, PATH, THEIRS, version
from tests.ledger.test_resolve import UNION, diverge, merge, put, read, resolve
from tests.model.test_entry import entry
from tests.support.machines import Machine


@pytest.mark.parametrize("style", ["merge", "diff3"])
@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_markers_that_were_added(repo: Machine, style: str, committed: bool, whole: bool) -> None:
    """LED-10: somebody ran ``git add`` on the markers; text, heads or history have both sides."""
    repo.git("config", "merge.conflictStyle", style)
    diverge(repo, BASE, OURS, THEIRS)
    merge(repo)
    if whole:
        (repo / PATH).write_bytes(conflict_text(OURS, THEIRS))
    repo.git("add", "-A")
    if committed:
        repo.git("commit", "-q", "-m", "merged, they thought")
        repo.write("train.py", "later\n")
        repo.commit_all("later")
    assert "from between the markers" in resolve(repo).stdout
    assert read(repo) == UNION
    assert repo.status() == f"M  {PATH}\n"


def test_sides_that_git_mixed_come_from_the_commits(repo: Machine) -> None:
    """Trap 73: where git took lines of one side into the other, the text proves nothing."""
    far = {"params": {f"p{i}": i for i in range(9)}, "attempt_id": "one"}
    base = version("cluster", **far)
    ours = version("cluster", **far, wallclock_s=9.5)
    theirs = version("cluster", **{**far, "attempt_id": "two"})
    diverge(repo, base, ours, theirs)
    merge(repo)
    text = read(repo)
    sides = sides_of(text)
    assert sides is not None
    assert sides[0] != ours or sides[1] != theirs, "git did mix them"
    repo.git("add", "-A")
    resolve(repo)
    assert read(repo) == merge_files(None, ours, theirs, PATH).data


def test_entries_without_digests_prove_nothing_from_their_text(repo: Machine) -> None:
    """Trap 73: old entries that git mixed are mended from the two heads, or left alone."""
    old = canonical_bytes(entry(attempt="x"))
    ours = canonical_bytes(entry(attempt="x", wallclock_s=1.0, registered_machine="desk"))
    theirs = canonical_bytes(entry(attempt="y", wallclock_s=2.0))
    diverge(repo, old, ours, theirs)
    merge(repo)
    repo.git("add", "-A")
    resolve(repo)
    assert read(repo) == merge_files(None, ours, theirs, PATH).data
    repo.git("reset", "-q", "--hard")
    (repo / PATH).write_bytes(b"{\n" + conflict_text(ours, theirs))
    assert "neither from its text nor from the commits" in resolve(repo, code=10).stderr
    assert read(repo) == b"{\n" + conflict_text(ours, theirs)


@pytest.mark.parametrize(
    "text",
    [b"<<<<<<< a\n{\n", b">>>>>>> b\n", b"<<<<<<< a\n<<<<<<< a\n=======\n>>>>>>> b\n"],
)
def test_markers_that_nobody_can_read_are_left(repo: Machine, text: bytes) -> None:
    """LED-10: nothing is guessed; the file stays as it is, and exit code 10 says so."""
    put(repo, text)
    assert sides_of(text) is None
    done = resolve(repo, code=10)
    assert PATH in done.stderr
    assert done.stderr.splitlines()[-2:] == [
        "error: 1 conflicted ledger files need a person",
        "hint: nothing of them was changed; see the lines above",
    ]
    assert read(repo) == text
