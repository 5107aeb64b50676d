"""The script must be the one that the sweep began with (SWP-09)."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import SweepConfigError
from aexp.sweep import Manifest, Sweep, canonical_script_sha256
from tests.support.machines import Machine

LINES = st.lists(st.text(st.characters(exclude_characters="\r\n\ufeff", codec="utf-8")), max_size=8)


@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.integers(0, 3))
def test_a_checkout_does_not_change_the_digest(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, bom: bool, more: int
) -> None:
    """SWP-09: byte-order mark, line ends and newlines at the end do not count."""
    folder = tmp_path_factory.mktemp("s")
    plain, other = folder / "a.py", folder / "b.py"
    plain.write_bytes("\n".join(lines).encode())
    text = end.join(lines) + end * more
    other.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode())
    assert canonical_script_sha256(plain) == canonical_script_sha256(str(other))


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("a ", "a"), ("a\n\nb", "a\nb")])
def test_anything_else_changes_it(tmp_path: Path, first: str, second: str) -> None:
    """SWP-09: blanks and empty lines within count."""
    (tmp_path / "a").write_text(first)
    (tmp_path / "b").write_text(second)
    assert canonical_script_sha256(tmp_path / "a") != canonical_script_sha256(tmp_path / "b")


def planned(repo: Machine) -> Sweep:
    """Return a sweep that is planned, and nothing of it run."""
    repo.write("mission.script", "Create Spacecraft\n")
    repo.write("model.py", "size = 3\n")
    repo.write("spec.yaml", "command: 'true'\nscript: mission.script\nwatch: [model.py]\n"
               "parameters: {grid: {n: [1, 2]}}\n")  # fmt: skip
    repo.commit_all("Spec")
    return Sweep(repo / "spec.yaml", out=repo / "sweep", repo_root=repo).plan()


def test_another_script_is_refused(installed_repo: Machine) -> None:
    """SWP-09: both digests are in the message, and nothing was run."""
    sweep = planned(installed_repo)
    old = sweep.manifest.header.script_sha256
    script = installed_repo.write("mission.script", "Create Satellite\n")
    new = canonical_script_sha256(script)
    with pytest.raises(SweepConfigError) as caught:
        Sweep.from_manifest(sweep.folder, script)
    assert old is not None and old in str(caught.value) and new in str(caught.value)
    with pytest.raises(SweepConfigError, match=r"mission\.script"):
        Sweep.from_manifest(sweep.folder)
    assert len(Manifest.load(sweep.folder)) == 0


def test_the_drift_can_be_allowed(installed_repo: Machine) -> None:
    """SWP-09: one RuntimeWarning with both digests; new entries have the new one."""
    sweep = planned(installed_repo)
    old = sweep.manifest.header.script_sha256
    script = installed_repo.write("mission.script", "Create Satellite\n")
    new = canonical_script_sha256(script)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resumed = Sweep.from_manifest(sweep.folder, script, allow_script_drift=True)
        resumed.resume()
    drift = [w for w in caught if issubclass(w.category, RuntimeWarning)]
    assert len(drift) == 1 and drift[0].filename == __file__
    assert str(old) in str(drift[0].message) and new in str(drift[0].message)
    assert [e.script_sha256 for e in Manifest.load(sweep.folder).entries] == [new, new]


def test_line_ends_are_no_drift(installed_repo: Machine) -> None:
    """SWP-09: a checkout on another system resumes."""
    sweep = planned(installed_repo)
    (installed_repo / "mission.script").write_bytes(b"\xef\xbb\xbfCreate Spacecraft\r\n\r\n")
    resumed = Sweep.from_manifest(sweep.folder, installed_repo / "mission.script").resume()
    assert [e.status for e in resumed.manifest.entries] == ["ok", "ok"]


def test_a_watched_file_counts_too(installed_repo: Machine) -> None:
    """SWP-09, SWP-16: `watch:` lists more files; one that is gone has changed as well."""
    sweep = planned(installed_repo)
    installed_repo.write("model.py", "size = 4\n")
    with pytest.raises(SweepConfigError, match=r"model\.py is not what"):
        Sweep.from_manifest(sweep.folder)
    (installed_repo / "model.py").unlink()
    with pytest.raises(SweepConfigError, match="the file is gone"):
        Sweep.from_manifest(sweep.folder)


def test_a_script_must_be_there_to_begin_with(installed_repo: Machine) -> None:
    """SWP-09: a digest of nothing would guard nothing; nothing is left behind to stumble over."""
    spec = {"command": "true", "script": "gone.py", "parameters": {"grid": {"n": [1]}}}
    sweep = Sweep(spec, out=installed_repo / "sweep", repo_root=installed_repo)
    with pytest.raises(SweepConfigError, match=r"gone\.py"):
        sweep.run()
    assert not (installed_repo / "sweep/manifest.jsonl").exists()
