"""KB-01: making artifacts, through the library and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexp.errors import CorruptDataError, NotFoundError, StorageError, UsageError
from aexp.kb import create_experiment, create_finding, create_hypothesis, read_artifacts
from aexp.kb.create import with_backlink
from aexp.repo import Layout, open_layout
from aexp.tree import WorkTree
from aexp.validate.kb import check_artifacts
from tests.kb.shapes import (
    CLEAN,
    EXPERIMENTS,
    FINDINGS,
    HYPOTHESES,
    artifacts_of,
    codes_of,
    old_template,
    write_all,
)
from tests.support.clock import FakeClock
from tests.support.machines import Machine, clone_repo
from tests.support.race import run_aexp_together

JOB = "0123456789abcdef" * 2


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A folder outside git: fast, and enough where git is not the point."""
    return open_layout(tmp_path, require_git=False)


def _make_three(layout: Layout, title: str = "Wider is better") -> None:
    create_hypothesis(layout, title=title)
    create_experiment(layout, title=title, hypothesis="H001")
    create_finding(layout, title=title, hypothesis="H001", experiment="E001")


def test_three_commands_make_a_clean_kb(repo: Machine, fake_clock: FakeClock) -> None:
    """KB-01: what the verbs create is linked both ways and validates without issues."""
    done = repo.aexp_fast("new-hypothesis", "--title", "Wider: better")
    assert done.stdout == "created hypothesis H001: kb/research/hypotheses/H001-wider-better.md\n"
    repo.aexp_fast("new-experiment", "--title", "Width [8, 64]", "--hypothesis", "H001")
    finding = ["new-finding", "--title", "It is", "--hypothesis", "H001", "--experiment", "E001"]
    done = repo.aexp_fast(*finding, "--impact", "high", "--batch", "E001?condition=full&seed=0")
    assert done.stdout.splitlines() == [
        "created finding F001: kb/research/findings/F001-it-is.md",
        "  linked from kb/research/hypotheses/H001-wider-better.md",
        "  linked from kb/research/experiments/E001-width-8-64.md",
    ]
    artifacts = read_artifacts(WorkTree(repo.path))
    assert check_artifacts(artifacts) == []
    front = artifacts[1].frontmatter
    assert (front["impact"], front["created"]) == ("HIGH", "2026-01-01")
    assert front["supporting_runs"] == [
        {
            "type": "batch",
            "experiment_id": "E001",
            "selector": {"condition": "full", "seed": 0},
        }
    ]
    changed = repo.git("status", "--porcelain", "-uall").stdout.splitlines()
    assert sorted(changed) == [
        "?? kb/research/experiments/E001-width-8-64.md",
        "?? kb/research/findings/F001-it-is.md",
        "?? kb/research/hypotheses/H001-wider-better.md",
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(title=st.text(min_size=1, max_size=30), old=st.booleans())
def test_whatever_the_title_the_result_is_clean(
    tmp_path_factory: pytest.TempPathFactory, title: str, old: bool
) -> None:
    """KB-01: created artifacts always parse and validate without issues."""
    root = tmp_path_factory.mktemp("kb")
    layout = open_layout(root, require_git=False)
    if old:
        kinds = ("hypothesis", "experiment", "finding")
        write_all(root, {f"templates/{kind}.md": old_template(kind) for kind in kinds})
    try:
        create_hypothesis(layout, title=title)
    except UsageError:
        return
    create_experiment(layout, title=title, hypothesis="H001")
    create_finding(layout, title=title, hypothesis="H001", experiment="E001", runs=[JOB])
    assert codes_of(root) == []
    (finding,) = [a for a in artifacts_of(root) if a.kind == "finding"]
    assert finding.frontmatter["supporting_runs"] == [{"type": "job", "id": JOB}]


def test_runs_are_resolved_by_whoever_knows_them(layout: Layout) -> None:
    """KB-01: a prefix becomes the whole id; citations keep their order, each once."""
    _make_three(layout)
    asked: list[str] = []

    def resolve(text: str) -> str:
        asked.append(text)
        return text * 8

    made = create_finding(
        layout,
        title="x",
        hypothesis="H001",
        experiment="E001",
        runs=["beef", "cafe", "beef"],
        batches=["E001", "E001?opt.lr=[0.1,0.2]&tag:=7&note=a b"],
        resolve_run=resolve,
    )
    assert asked == ["beef", "cafe", "beef"]
    (finding,) = [a for a in artifacts_of(layout.root) if a.id == made.id]
    assert finding.frontmatter["supporting_runs"] == [
        {"type": "job", "id": "beef" * 8},
        {"type": "job", "id": "cafe" * 8},
        {"type": "batch", "experiment_id": "E001", "selector": {}},
        {
            "type": "batch",
            "experiment_id": "E001",
            "selector": {"opt.lr": [0.1, 0.2], "tag": "7", "note": "a b"},
        },
    ]


@pytest.mark.parametrize("batch", ["", "X001", "E1", "E001?seed", "E001?=1", "E001?a=1&a=2"])
def test_malformed_batches_write_nothing(layout: Layout, batch: str) -> None:
    """Trap 27: a batch that cannot be understood is refused before anything is written."""
    _make_three(layout)
    before = _snapshot(layout.root)
    with pytest.raises(UsageError):
        create_finding(layout, title="x", hypothesis="H001", experiment="E001", batches=[batch])
    assert _snapshot(layout.root) == before


def test_parents_must_exist(layout: Layout) -> None:
    """KB-01: a clear error with near matches, and nothing written."""
    with pytest.raises(NotFoundError, match="no hypothesis H001") as caught:
        create_experiment(layout, title="x", hypothesis="H001")
    assert "aexp new-hypothesis" in (caught.value.hint or "")
    _make_three(layout)
    before = _snapshot(layout.root)
    with pytest.raises(NotFoundError, match="no experiment E002") as caught:
        create_finding(layout, title="x", hypothesis="H001", experiment="E002")
    assert caught.value.hint == "did you mean E001?"
    with pytest.raises(NotFoundError, match="no experiment E009"):
        create_finding(layout, title="x", hypothesis="H001", experiment="E001", batches=["E009"])
    for bad in ("E001", "h001", "H1", "", "../H001"):
        with pytest.raises(UsageError):
            create_experiment(layout, title="x", hypothesis=bad)
    with pytest.raises(UsageError, match="no run id"):
        create_finding(layout, title="x", hypothesis="H001", experiment="E001", runs=["ab"])
    with pytest.raises(UsageError, match="impact"):
        create_finding(layout, title="x", hypothesis="H001", experiment="E001", impact="huge")
    assert _snapshot(layout.root) == before


def test_mistakes_are_one_line_and_a_hint(repo: Machine) -> None:
    """Trap 32: ordinary mistakes on the command line are no tracebacks."""
    done = repo.aexp_fast("new-experiment", "--title", "x", "--hypothesis", "H007", check=False)
    assert done.returncode == NotFoundError.exit_code
    assert done.stderr.startswith("error: there is no hypothesis H007 in kb/research/hypotheses\n")
    assert "hint: make a hypothesis first" in done.stderr
    done = repo.aexp_fast("new-hypothesis", "--title", " \n", check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: the title is empty")
    done = repo.aexp_fast("new-hypothesis", check=False)
    assert done.returncode == 2
    assert "--title" in done.stderr


def test_ids_are_given_and_refused(layout: Layout) -> None:
    """KB-01: ids of more than three digits, ``--id``, and no id twice."""
    assert create_hypothesis(layout, title="a", artifact_id="H999").id == "H999"
    assert create_hypothesis(layout, title="b").id == "H1000"
    assert create_hypothesis(layout, title="c").path.name == "H1001-c.md"
    with pytest.raises(UsageError, match="H999 is in use") as caught:
        create_hypothesis(layout, title="other", artifact_id="H999")
    assert "H1002" in (caught.value.hint or "")
    for bad in ("F001", "H1", "H001/../x", "H٠٠١"):
        with pytest.raises(UsageError, match="no hypothesis id"):
            create_hypothesis(layout, title="d", artifact_id=bad)


def test_misnamed_and_nested_files_keep_their_number(layout: Layout) -> None:
    """KB-01: a number that stands on a file is not given to another."""
    write_all(layout.root, {f"{FINDINGS}/old/F003.md": "x", f"{FINDINGS}/F007_typo.md": "x"})
    write_all(layout.root, {k: v for k, v in CLEAN.items() if "F001" not in k})
    made = create_finding(layout, title="x", hypothesis="H001", experiment="E001")
    assert made.id == "F008"


def test_ids_on_other_branches_are_taken(repo: Machine, tmp_path: Path) -> None:
    """Trap 21: once fetched, a branch of another machine keeps its ids; so do tags."""
    repo.git("config", "receive.denyCurrentBranch", "updateInstead")
    cluster = clone_repo(repo, tmp_path / "cluster")
    laptop = clone_repo(repo, tmp_path / "laptop")
    cluster.aexp_fast("new-hypothesis", "--title", "shared")
    cluster.commit_all("H001")
    cluster.push()
    laptop.pull()
    cluster.git("checkout", "-q", "-b", "side/branch")
    cluster.aexp_fast("new-hypothesis", "--title", "on a side branch")
    cluster.commit_all("H002")
    cluster.push()
    assert _next_hypothesis(laptop, "unfetched") == "H002"
    (laptop / f"{HYPOTHESES}/H002-unfetched.md").unlink()
    laptop.git("fetch", "-q")
    assert _next_hypothesis(laptop, "fetched") == "H003"
    laptop.git("add", "kb")
    (laptop / f"{HYPOTHESES}/H003-fetched.md").unlink()
    assert _next_hypothesis(laptop, "only the index has H003") == "H004"
    laptop.commit_all("x")
    laptop.git("tag", "-a", "-m", "t", "kept")
    laptop.git("reset", "-q", "--hard", "HEAD~1")
    laptop.git("reflog", "expire", "--expire=now", "--all")
    assert _next_hypothesis(laptop, "the tag has H004") == "H005"
    done = laptop.aexp_fast("new-hypothesis", "--title", "x", "--id", "H002", check=False)
    assert done.returncode == 2


def test_packed_refs_and_remote_branches_count(repo: Machine, tmp_path: Path) -> None:
    """KB-01, trap 21: refs in one packed file, and branches that exist on a remote alone."""
    repo.git("checkout", "-q", "-b", "side")
    repo.aexp_fast("new-hypothesis", "--title", "a", "--id", "H1000")
    repo.commit_all("H1000")
    repo.git("checkout", "-q", "main")
    clone = clone_repo(repo, tmp_path / "clone")
    assert clone.git("branch", "--list", "side").stdout == ""
    repo.git("pack-refs", "--all", "--prune")
    assert not (repo.path / ".git/refs/heads/side").exists()
    assert _next_hypothesis(repo, "b") == "H1001"
    clone.git("pack-refs", "--all", "--prune")
    assert _next_hypothesis(clone, "c") == "H1001"


def test_ids_of_four_digits_are_ids_everywhere(repo: Machine) -> None:
    """KB-01: in file names, links, parents, citations and the run link alike."""
    aexp = repo.aexp_fast
    aexp("new-hypothesis", "--title", "h", "--id", "H1000")
    aexp("new-experiment", "--title", "e", "--hypothesis", "H1000", "--id", "E10000")
    aexp("run", "-e", "E10000", "--sp", "seed=0", "--", "true")
    parents = ("--hypothesis", "H1000", "--experiment", "E10000")
    aexp("new-finding", "--title", "f", *parents, "--id", "F1000", "--batch", "E10000?seed=0")
    repo.git("add", "kb")
    aexp("ledger", "backfill")
    repo.git("commit", "-q", "-m", "kb")
    done = aexp("validate")
    assert done.stdout == "0 errors, 0 warnings (1 finding, 1 run checked)\n"


@pytest.mark.parametrize(
    ("title", "name", "heading"),
    [
        ("wide " * 60, "H001-" + "-".join(["wide"] * 12) + ".md", "wide " * 59 + "wide"),
        ("one\ntwo\r\n\tthree", "H001-one-two-three.md", "one two three"),
        ("a/../../b", "H001-a-b.md", "a/../../b"),
        ("🧪", "H001.md", "🧪"),
        ("--- # x: [y]", "H001-x-y.md", "--- # x: [y]"),
        ("\x1b[31mred\x00", "H001-31mred.md", "[31mred"),
    ],
)
def test_odd_titles(layout: Layout, title: str, name: str, heading: str) -> None:
    """KB-01, trap 18: 300 characters, newlines, slashes, emoji, control characters."""
    made = create_hypothesis(layout, title=title)
    assert made.path == layout.root / HYPOTHESES / name
    assert f"# H001 — {heading}\n" in made.path.read_text("utf-8")
    assert codes_of(layout.root) == []


@pytest.mark.parametrize("ending", ["- [[F001]]", "- [[F001]]\n\n\n", "words", "1. [[F001]]\n"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_backlinks_fit_whatever_ends_the_file(layout: Layout, ending: str, newline: str) -> None:
    """KB-01: with and without a final newline; each line that was there is there still."""
    parent = f"{HYPOTHESES}/H001.md"
    head = "---\nid: H001 # mine\naliases: [H001]\ntype: hypothesis\n---\n\n## Links\n\n"
    before = (head + ending).replace("\n", newline)
    write_all(layout.root, {parent: before})
    create_experiment(layout, title="x", hypothesis="H001")
    after = (layout.root / parent).read_bytes().decode()
    assert after.count("[[E001]]") == 1
    added = [line for line in after.split(newline) if line not in before.split(newline)]
    assert added == ["- [[E001]]"]
    assert [x for x in after.split(newline) if x and x != added[0]] == [
        x for x in before.split(newline) if x
    ]
    assert "\n" not in after.replace(newline, "")


@pytest.mark.parametrize("kind", ["hypothesis", "experiment", "finding"])
def test_a_bad_template_is_one_line(repo: Machine, kind: str) -> None:
    """KB-01, trap 32: the repository's own template wins, also when it is broken."""
    aexp = repo.aexp_fast
    aexp("new-hypothesis", "--title", "h")
    aexp("new-experiment", "--title", "e", "--hypothesis", "H001")
    parents = ["--hypothesis", "H001", "--experiment", "E001"]
    options = {"hypothesis": [], "experiment": parents[:2], "finding": parents}[kind]
    repo.write(f"templates/{kind}.md", "---\nid: x\ntags: [\n---\n")
    before = _snapshot(repo.path / "kb")
    done = aexp(f"new-{kind}", "--title", "x", *options, check=False)
    assert done.returncode == CorruptDataError.exit_code
    first, second = done.stderr.splitlines()
    assert first.startswith(f"error: templates/{kind}.md, line 4, column ")
    assert second.startswith("hint: mend the template")
    assert _snapshot(repo.path / "kb") == before
    repo.write(f"templates/{kind}.md", "---\nmine: yes please\n---\n# {TITLE}, by us\n")
    aexp(f"new-{kind}", "--title", "x", *options)
    [made] = {*(repo.path / "kb").rglob("*-x.md")}
    assert "mine: yes please\n" in made.read_text("utf-8")
    assert "# x, by us\n" in made.read_text("utf-8")


def test_ids_in_other_work_trees_are_taken(repo: Machine, tmp_path: Path) -> None:
    """Trap 21: an uncommitted finding in a linked work tree has its id, both ways round."""
    repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side tree"))
    side = Machine(tmp_path / "side tree")
    assert _next_hypothesis(side, "a") == "H001"
    assert _next_hypothesis(repo, "b") == "H002"
    assert _next_hypothesis(side, "c") == "H003"


def test_two_processes_never_take_one_id(repo: Machine) -> None:
    """KB-01, trap 21: real processes; each gets an id of its own and no backlink is lost."""
    create_hypothesis(open_layout(repo.path), title="parent")
    commands = [
        (repo.path, ["new-experiment", "--title", f"number {n % 3}", "--hypothesis", "H001"])
        for n in range(6)
    ]
    done = run_aexp_together(commands)
    assert [result.returncode for result in done] == [0] * 6
    artifacts = read_artifacts(WorkTree(repo.path))
    made = sorted(artifact.id for artifact in artifacts if artifact.kind == "experiment")
    assert made == [f"E{n:03d}" for n in range(1, 7)]
    assert check_artifacts(artifacts) == []
    assert "aexp-tmp" not in repo.git("status", "--porcelain", "-uall", "--ignored").stdout


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_backlinks_change_one_line(layout: Layout, newline: str) -> None:
    """KB-01: a parent keeps its line endings, byte order mark and everything else."""
    files = {path: "\ufeff" + text.replace("\n", newline) for path, text in CLEAN.items()}
    write_all(layout.root, dict(files))
    made = create_finding(layout, title="x", hypothesis="H001", experiment="E001")
    assert made.id == "F002"
    for path in made.patched:
        before = files[path.relative_to(layout.root).as_posix()]
        wanted = before.replace(f"- [[F001]]{newline}", f"- [[F001]]{newline}- [[F002]]{newline}")
        assert path.read_bytes().decode() == wanted
    assert len(made.patched) == 2


def test_a_parent_that_links_already_is_left_alone(layout: Layout) -> None:
    """KB-01: no second backlink."""
    write_all(layout.root, {k: v for k, v in CLEAN.items() if "F001" not in k})
    before = _snapshot(layout.root)
    made = create_finding(layout, title="x", hypothesis="H001", experiment="E001")
    assert (made.id, made.patched) == ("F001", ())
    after = _snapshot(layout.root)
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize(
    "content",
    [
        b"---\nid: H001\n---\n<<<<<<< a\n=======\n>>>>>>> b\n",
        b"\xff\xfe",
        b"---\nid: H001\n---\n```\nnever closed\n",
    ],
)
def test_a_parent_that_cannot_be_patched_stops_everything(layout: Layout, content: bytes) -> None:
    """KB-01: refused before anything is written."""
    write_all(layout.root, {f"{HYPOTHESES}/H001.md": content})
    with pytest.raises(CorruptDataError) as caught:
        create_experiment(layout, title="x", hypothesis="H001")
    assert caught.value.hint
    assert not (layout.root / EXPERIMENTS).exists() or not any(
        (layout.root / EXPERIMENTS).iterdir()
    )


@given(st.text(max_size=40))
def test_backlinks_leave_frontmatter_alone(body: str) -> None:
    """KB-01: only the body of a parent is ever touched."""
    head = "---\nid: H001  # mine\n---\n"
    try:
        assert with_backlink(head + body, "E001").startswith(head)
    except CorruptDataError:
        assert "`" in body or "~" in body or "<!--" in body


def test_a_full_disk_leaves_no_half_finding(layout: Layout, failing_storage: object) -> None:
    """LED-05's writer is used: a refused write leaves no file and no temporary one."""
    _make_three(layout)
    before = _snapshot(layout.root)
    with failing_storage("fsync"), pytest.raises(StorageError):  # type: ignore[operator]
        create_finding(layout, title="x", hypothesis="H001", experiment="E001")
    assert _snapshot(layout.root) == before


def test_weird_roots(weird_path: Path) -> None:
    """Any folder name will do."""
    layout = open_layout(weird_path, require_git=False)
    _make_three(layout)
    assert codes_of(weird_path) == []


def test_a_weird_repository_on_the_command_line(weird_path: Path, repo: Machine) -> None:
    """Trap 31: messages show brackets as they are; git copes with the folder's name."""
    target = weird_path / "repo"
    repo.path.rename(target)
    machine = Machine(target)
    done = machine.aexp_fast("new-hypothesis", "--title", "[bold]x[/bold]")
    assert done.stdout == "created hypothesis H001: kb/research/hypotheses/H001-bold-x-bold.md\n"
    assert codes_of(target) == []


def _next_hypothesis(machine: Machine, title: str) -> str:
    return create_hypothesis(open_layout(machine.path), title=title).id


def _snapshot(root: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and p.suffix != ".lock"}
