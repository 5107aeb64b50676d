"""Reading artifacts from a tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import NotFoundError
from aexp.kb import find_experiment, frontmatter, read_artifacts, require_artifact
from aexp.tree import GitTree, WorkTree
from tests.kb.shapes import (
    CLEAN,
    EXPERIMENTS,
    FINDING,
    FINDINGS,
    HYPOTHESES,
    artifacts_of,
    codes_of,
    write_all,
)
from tests.support.machines import Machine


def test_reads_all_three_kinds(tmp_path: Path) -> None:
    """VAL-07: kind by folder, id by file name, the rest from the text."""
    write_all(tmp_path, dict(CLEAN))
    experiment, finding, hypothesis = artifacts_of(tmp_path)
    assert (experiment.kind, finding.kind, hypothesis.kind) == (
        "experiment",
        "finding",
        "hypothesis",
    )
    assert [experiment.id, finding.id, hypothesis.id] == ["E001", "F001", "H001"]
    assert finding.frontmatter["hypothesis"] == "H001"
    assert finding.headings == ("Finding", "Evidence", "Links")
    assert finding.links == {"H001", "E001"}
    lines = (tmp_path / finding.path).read_text().splitlines()
    assert lines[finding.link_lines["E001"] - 1] == "- [[E001]]"
    assert all(not artifact.problems for artifact in (experiment, finding, hypothesis))


@pytest.mark.parametrize("name", ["F001.md", "F001-slug.md", "F1234.md", "F001-two words é.md"])
def test_findings_load_whatever_their_name(tmp_path: Path, name: str) -> None:
    """Trap 30: ``F001.md`` is a finding, and so are ids of more than three digits."""
    write_all(tmp_path, {f"{FINDINGS}/{name}": FINDING})
    (artifact,) = artifacts_of(tmp_path)
    assert artifact.id == name.removesuffix(".md").split("-")[0]
    assert artifact.frontmatter["id"] == "F001"


@pytest.mark.parametrize(
    "name", ["F01.md", "F001_x.md", "f001.md", "notes.md", "H001.md", "F001.MD", "F٠٠١.md"]
)
def test_bad_names_are_said(tmp_path: Path, name: str) -> None:
    """Trap 30: a file whose name is not understood is reported, not skipped."""
    write_all(tmp_path, {f"{FINDINGS}/{name}": FINDING})
    (artifact,) = artifacts_of(tmp_path)
    assert (artifact.id, [i.code for i in artifact.problems]) == ("", ["kb.bad_filename"])


def test_what_is_no_artifact(tmp_path: Path) -> None:
    """Notes to people and pictures are left alone; a nested finding still counts."""
    write_all(
        tmp_path,
        {
            f"{FINDINGS}/README.md": "hello",
            f"{FINDINGS}/.gitkeep": "",
            f"{FINDINGS}/plot.png": b"\x89PNG",
            f"{FINDINGS}/assets/notes.md": "hello",
            f"{FINDINGS}/2026/F002.md": FINDING,
        },
    )
    assert [artifact.id for artifact in artifacts_of(tmp_path)] == ["F002"]
    assert artifacts_of(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("content", "code", "line", "column"),
    [
        (b"# no frontmatter\n", "kb.missing_frontmatter", 1, 1),
        (b"---\nid: F001\n", "kb.missing_frontmatter", 1, 1),
        (b"", "kb.missing_frontmatter", 1, 1),
        (b"---\nid: F001\nx: [1\ny: 2\n---\n", "kb.yaml_error", 4, 2),
        (b"---\r\nid: F001\r\nid: F002\r\n---\r\n", "kb.yaml_error", 3, 1),
        (b"---\n- a\n---\n", "kb.yaml_error", 2, 1),
        (b"---\nid: F001\nt: caf\xe9\n---\n", "kb.not_utf8", 3, 7),
        ("\ufeff---\nid: F001\n---\n".encode("utf-16"), "kb.not_utf8", 1, 1),
        (b"---\nid: F001\n<<<<<<< a\n=======\n>>>>>>> b\n---\n", "kb.conflict", 3, 1),
    ],
)
def test_unreadable_files_are_problems(
    tmp_path: Path, content: bytes, code: str, line: int, column: int
) -> None:
    """Traps 3, 29: a broken finding is one issue with its place, never skipped, never a crash."""
    write_all(tmp_path, {**CLEAN, f"{FINDINGS}/F001.md": content})
    (artifact,) = [a for a in artifacts_of(tmp_path) if a.kind == "finding"]
    (issue,) = artifact.problems
    assert (issue.code, issue.detail["line"], issue.detail["column"]) == (code, line, column)
    assert artifact.id == "F001"
    assert not artifact.is_readable


def test_windows_line_endings_and_byte_order_mark(tmp_path: Path) -> None:
    """VAL-07: a file saved on Windows is fine."""
    write_all(tmp_path, {f"{FINDINGS}/F001.md": "\ufeff" + FINDING.replace("\n", "\r\n")})
    (artifact,) = artifacts_of(tmp_path)
    assert artifact.problems == ()
    assert artifact.frontmatter["experiment"] == "E001"
    assert artifact.headings == ("Finding", "Evidence", "Links")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """VAL-07: an operating system error is an issue of that file alone."""
    write_all(tmp_path, dict(CLEAN))
    path = f"{FINDINGS}/F001.md"

    class Refusing(WorkTree):
        def read_many(self, paths):  # type: ignore[no-untyped-def]
            for name, data in super().read_many(paths):
                yield name, PermissionError(13, "Permission denied") if name == path else data

    artifacts = read_artifacts(Refusing(tmp_path, has_git=False))
    assert [[i.code for i in a.problems] for a in artifacts] == [[], ["kb.unreadable"], []]


def test_index_and_commit_are_read_as_the_work_tree_is(repo: Machine) -> None:
    """VAL-10: the same rules judge what is staged and what a commit holds."""
    write_all(repo.path, dict(CLEAN))
    repo.git("add", "kb")
    repo.git("commit", "-q", "-m", "kb")
    on_disk = read_artifacts(WorkTree(repo.path))
    assert len(on_disk) == 3
    assert read_artifacts(GitTree(repo.path)) == on_disk
    assert read_artifacts(GitTree(repo.path, commit="HEAD")) == on_disk


def test_an_unmerged_file_is_a_conflict_everywhere(repo: Machine) -> None:
    """Trap 29: git's index knows of a conflict even when the markers have been deleted."""
    write_all(repo.path, dict(CLEAN))
    repo.commit_all("kb")
    path = f"{FINDINGS}/F001.md"
    repo.git("checkout", "-q", "-b", "other")
    repo.write(path, FINDING.replace("It is.", "It was."))
    repo.commit_all("theirs")
    repo.git("checkout", "-q", "main")
    repo.write(path, FINDING.replace("It is.", "It will be."))
    repo.commit_all("ours")
    assert repo.git("merge", "-q", "other", check=False).returncode == 1
    repo.write(path, FINDING)
    for tree in (WorkTree(repo.path), GitTree(repo.path)):
        found = {a.id: [i.code for i in a.problems] for a in read_artifacts(tree)}
        assert found == {"E001": [], "F001": ["kb.conflict"], "H001": []}


def test_weird_folders(weird_path: Path) -> None:
    """Paths with spaces, quotes, brackets and newlines are ordinary."""
    write_all(weird_path, dict(CLEAN))
    assert [a.path for a in artifacts_of(weird_path)] == sorted(CLEAN)


def test_finding_one(tmp_path: Path) -> None:
    """RUN-01: an experiment is found by its id alone, and near misses are named."""
    write_all(tmp_path, {**CLEAN, f"{EXPERIMENTS}/E010.md": b"\xff"})
    tree = WorkTree(tmp_path, has_git=False)
    found = find_experiment(tree, "E001")
    assert found is not None
    assert found.frontmatter["hypothesis"] == "H001"
    assert find_experiment(tree, "E100") is None
    with pytest.raises(NotFoundError, match="no experiment E100") as caught:
        require_artifact(tree, "experiment", "E100")
    assert "E010" in (caught.value.hint or "")


def test_many_findings_are_all_read(tmp_path: Path) -> None:
    """Trap 29: 200 findings with four citations each are all read, none with a problem."""
    runs = "".join(f"  - {{type: job, id: {n:032x}}}\n" for n in range(4))
    text = FINDING.replace("supporting_runs:\n", "supporting_runs:\n" + runs)
    write_all(tmp_path, {f"{FINDINGS}/F{n:03d}.md": text for n in range(1, 201)})
    write_all(tmp_path, {f"{HYPOTHESES}/H001.md": CLEAN[f"{HYPOTHESES}/H001-wider.md"]})
    found = artifacts_of(tmp_path)
    assert len(found) == 201
    assert [artifact.problems for artifact in found] == [()] * 201


def test_symbolic_links_are_said(repo: Machine, tmp_path: Path) -> None:
    """Trap 29: a linked finding is reported and not skipped; other clones would not have it."""
    write_all(repo.path, dict(CLEAN))
    real, link = repo.path / f"{FINDINGS}/F001.md", repo.path / f"{FINDINGS}/F002-linked.md"
    link.symlink_to(real)
    (repo.path / f"{FINDINGS}/README.md").symlink_to(real)
    (repo.path / f"{FINDINGS}/plot.png").symlink_to(real)
    (repo.path / f"{FINDINGS}/lost.md").symlink_to("nowhere")
    repo.commit_all("kb")
    for tree in (WorkTree(repo.path), GitTree(repo.path), GitTree(repo.path, commit="HEAD")):
        linked = [a for a in read_artifacts(tree) if a.problems]
        assert [(a.id, a.kind, a.path) for a in linked] == [
            ("F002", "finding", f"{FINDINGS}/F002-linked.md"),
            ("", "finding", f"{FINDINGS}/lost.md"),
        ]
        assert {i.code for a in linked for i in a.problems} == {"kb.symlink"}
    assert codes_of(repo.path) == [("kb.symlink", "F002-linked.md"), ("kb.symlink", "lost.md")]


@pytest.mark.parametrize("place", [FINDINGS, "kb/research", "kb"])
def test_a_linked_folder_is_said_once(repo: Machine, tmp_path: Path, place: str) -> None:
    """Trap 29: git shares the link, so that every other clone would find no artifacts."""
    write_all(repo.path, dict(CLEAN))
    folder = repo.path / place
    folder.rename(tmp_path / "away")
    folder.symlink_to(tmp_path / "away")
    artifacts = read_artifacts(WorkTree(repo.path))
    linked = [i for a in artifacts for i in a.problems]
    assert [(i.code, i.severity, i.path) for i in linked] == [("kb.symlink", "warning", place)]
    assert {"E001", "F001", "H001"} <= {a.id for a in artifacts}


def test_a_file_that_is_a_folder(tmp_path: Path) -> None:
    """Trap 2: a folder named like a finding is none, and what is in it is still looked at."""
    write_all(tmp_path, {**CLEAN, f"{FINDINGS}/F002.md/F003.md": "x"})
    assert [a.id for a in artifacts_of(tmp_path)] == ["E001", "F001", "F003", "H001"]


@pytest.mark.parametrize(
    ("text", "key", "items"),
    [
        ("", None, []),
        ("a: 1\nk: [1, 2]\n", 3, []),
        ("k:\n- 1\n-  2\nb: 3\n", 2, [3, 4]),
        ("k:\n    - 1\n    -\n      - 2\n", 2, [3, 4]),
        ("k: # why\n  # first\n\n  - 1\n", 2, [5]),
        ("'k' : x\n", 2, []),
        ("kk: 1\n  k: 2\n# k: 3\n", None, []),
        ("k:\n- 1\n--- x\n- 2\n", 2, [3]),
    ],
)
def test_lines_of_keys_and_items(text: str, key: int | None, items: list[int]) -> None:
    """VAL-01: found by looks alone, counted in the file."""
    assert frontmatter.key_line(text, "k") == key
    assert frontmatter.item_lines(text, "k") == items


@given(st.text(st.sampled_from("k: -\n\r\t#'\"ab[]{},|>"), max_size=60))
def test_looking_for_lines_never_fails(text: str) -> None:
    """Trap 3: any text gives lines that exist."""
    last = text.count("\n") + frontmatter.FIRST_LINE
    found = [*frontmatter.item_lines(text, "k"), frontmatter.key_line(text, "k") or 2]
    assert all(frontmatter.FIRST_LINE <= line <= last for line in found)
