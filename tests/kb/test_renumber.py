"""``aexp kb renumber``: after a merge two files have one id; one of them gets another (VAL-07)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from aexp.errors import AmbiguousIdError, CorruptDataError, NotFoundError, UsageError
from aexp.kb import create_experiment, create_finding, create_hypothesis
from aexp.kb.renumber import renumber
from aexp.repo import Layout, open_layout
from tests.kb.shapes import EXPERIMENTS, FINDINGS, HYPOTHESES, codes_of
from tests.support.failing import failing_storage
from tests.support.machines import Machine, TwoMachines
from tests.support.race import run_aexp_together

ONE, TWO = f"{FINDINGS}/F001-one.md", f"{FINDINGS}/F001-two.md"
NEW = f"{FINDINGS}/F002-two.md"
H1, E1 = f"{HYPOTHESES}/H001-idea.md", f"{EXPERIMENTS}/E001-try.md"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A folder outside git: fast, and enough where git is not the point."""
    return open_layout(tmp_path, require_git=False)


def write(layout: Layout, path: str, text: str) -> None:
    target = layout.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode("utf-8"))


def read(layout: Layout, path: str) -> str:
    return (layout.root / path).read_bytes().decode("utf-8")


def add(layout: Layout, path: str, text: str) -> None:
    write(layout, path, read(layout, path) + text)


def files(layout: Layout) -> Mapping[str, bytes]:
    """Return every file below ``kb/``."""
    found = (layout.root / "kb").rglob("*")
    return {p.relative_to(layout.root).as_posix(): p.read_bytes() for p in found if p.is_file()}


def two_findings(layout: Layout) -> None:
    """Leave what a merge of two clones leaves: two F001 of one parent, which links to it once."""
    create_hypothesis(layout, title="Idea")
    create_experiment(layout, title="Try", hypothesis="H001")
    create_finding(layout, title="One", hypothesis="H001", experiment="E001")
    write(layout, TWO, read(layout, ONE).replace("One", "Two"))


def codes(layout: Layout) -> list[str]:
    return [code for code, _ in codes_of(layout.root)]


def test_the_mended_kb_is_clean(layout: Layout) -> None:
    """VAL-07, trap 21: name, id, alias and heading change; both files have their backlinks."""
    two_findings(layout)
    assert set(codes(layout)) == {"kb.duplicate_id"}
    before = files(layout)
    done = renumber(layout, "F001-two")
    assert (done.old_id, done.new_id, done.new_path) == ("F001", "F002", NEW)
    assert done.unclear == ()
    assert codes(layout) == []
    assert read(layout, NEW) == before[TWO].decode().replace("F001", "F002")
    assert not (layout.root / TWO).exists()
    assert files(layout)[ONE] == before[ONE]
    assert {"- [[F001]]", "- [[F002]]"} <= set(read(layout, H1).splitlines())
    assert set(done.references) == {H1, E1}


def test_a_link_for_each_stays_a_link_for_each(layout: Layout) -> None:
    """VAL-07: a parent in which git kept both lines gets one of them changed, not a third."""
    two_findings(layout)
    write(layout, E1, read(layout, E1).replace("- [[F001]]\n", "- [[F001]]\n- [[F001]]\n"))
    renumber(layout, TWO)
    assert read(layout, E1).count("[[F001]]") == 1
    assert read(layout, E1).count("[[F002]]") == 1
    assert codes(layout) == []


def test_references_that_carry_the_name_follow(layout: Layout) -> None:
    """VAL-07: wikilinks and paths with the file's words are rewritten wherever they stand."""
    two_findings(layout)
    text = (
        "[[F001-two]] [[F001-two|x]] [[findings/F001-two.md#Evidence]] [[F001-one]]\n"
        "[a](../findings/F001-two.md) [b](../findings/F001-one.md) F001-two. F001-two-more\n"
        "XF001-two\n"
    )
    write(layout, "kb/notes.md", text)
    done = renumber(layout, TWO)
    assert read(layout, "kb/notes.md") == (
        "[[F002-two]] [[F002-two|x]] [[findings/F002-two.md#Evidence]] [[F001-one]]\n"
        "[a](../findings/F002-two.md) [b](../findings/F001-one.md) F002-two. F001-two-more\n"
        "XF001-two\n"
    )
    assert [(item.path, item.line) for item in done.unclear] == [("kb/notes.md", 2)]


def test_references_that_may_mean_either_are_listed(layout: Layout) -> None:
    """VAL-07: what only a person can tell is left as it is, with its line."""
    two_findings(layout)
    write(layout, "kb/notes.md", "# Notes\n\nAs F001 shows.\nSee [[F001]], not F0012.\n")
    add(layout, H1, "\nF001 is why.\n")
    done = renumber(layout, TWO)
    places = [(item.path, item.text) for item in done.unclear]
    assert places == [
        ("kb/notes.md", "As F001 shows."),
        ("kb/notes.md", "See [[F001]], not F0012."),
        (H1, "F001 is why."),
    ]
    assert "As F001 shows.\nSee [[F001]], not F0012." in read(layout, "kb/notes.md")
    assert codes(layout) == []


def test_the_twins_own_text_is_not_touched(layout: Layout) -> None:
    """VAL-07: in each of the two files the plain id means that file."""
    two_findings(layout)
    add(layout, ONE, "\nF001 again, unlike [[F001-two]].\n")
    add(layout, TWO, "\nF001 again, unlike [[F001-one]].\n")
    done = renumber(layout, TWO)
    assert "\nF001 again, unlike [[F002-two]].\n" in read(layout, ONE)
    assert "\nF002 again, unlike [[F001-one]].\n" in read(layout, NEW)
    assert done.unclear == ()


def test_a_parent_of_one_means_that_one(layout: Layout) -> None:
    """VAL-07: the parent that only one of the two names is rewritten, or left, as a whole."""
    two_findings(layout)
    create_experiment(layout, title="Other", hypothesis="H001")
    other = f"{EXPERIMENTS}/E002-other.md"
    write(layout, TWO, read(layout, TWO).replace("E001", "E002"))
    add(layout, other, "- [[F001]]\n\nF001 settles it.\n")
    kept = read(layout, E1)
    done = renumber(layout, TWO)
    assert "- [[F002]]\n\nF002 settles it." in read(layout, other)
    assert read(layout, E1) == kept
    assert done.unclear == ()
    assert codes(layout) == []


def two_experiments(layout: Layout) -> None:
    """Leave two E001, each with a finding that it links to."""
    create_hypothesis(layout, title="Idea")
    create_experiment(layout, title="Try", hypothesis="H001")
    twin = read(layout, E1).replace("Try", "Again")
    batch = ["E001?condition=full"]
    create_finding(layout, title="One", hypothesis="H001", experiment="E001", batches=batch)
    saved, hypothesis = read(layout, E1), read(layout, H1)
    write(layout, E1, twin)
    create_finding(layout, title="Two", hypothesis="H001", experiment="E001", batches=batch)
    write(layout, f"{EXPERIMENTS}/E001-again.md", read(layout, E1))
    write(layout, E1, saved)
    assert hypothesis != read(layout, H1)


def test_children_go_with_the_parent_that_links_to_them(layout: Layout) -> None:
    """VAL-07: a finding's parent, links and batch citations follow the experiment it is of."""
    two_experiments(layout)
    one, two = f"{FINDINGS}/F001-one.md", f"{FINDINGS}/F002-two.md"
    kept = read(layout, one)
    done = renumber(layout, "E001-again.md")
    assert done.new_path == f"{EXPERIMENTS}/E002-again.md"
    assert read(layout, one) == kept
    assert "E001" not in read(layout, two)
    assert "experiment_id: E002" in read(layout, two)
    assert done.unclear == ()
    assert codes(layout) == []


def test_children_of_neither_are_listed(layout: Layout) -> None:
    """VAL-07: a finding to which no experiment links stays as it is, line by line."""
    two_experiments(layout)
    two = f"{FINDINGS}/F002-two.md"
    again = f"{EXPERIMENTS}/E001-again.md"
    write(layout, again, read(layout, again).replace("- [[F002]]\n", ""))
    kept = read(layout, two)
    done = renumber(layout, again)
    assert read(layout, two) == kept
    assert {item.path for item in done.unclear} == {two}
    assert len(done.unclear) == kept.count("E001")


def test_without_a_twin_every_reference_follows(layout: Layout) -> None:
    """VAL-07: an id that one file has can be changed, before a merge, with all that names it."""
    create_hypothesis(layout, title="Idea")
    create_experiment(layout, title="Try", hypothesis="H001")
    create_finding(layout, title="One", hypothesis="H001", experiment="E001")
    write(layout, "kb/notes.md", "F001, `F001-old-words`, F0011\r\nand [[F001|it]]\r\n")
    done = renumber(layout, "F001", to="F0042")
    assert done.unclear == ()
    assert read(layout, "kb/notes.md") == "F0042, `F0042-old-words`, F0011\r\nand [[F0042|it]]\r\n"
    assert codes(layout) == []


def test_files_without_words(layout: Layout) -> None:
    """VAL-07: ``F001.md`` is told from the plain id by its ending."""
    two_findings(layout)
    bare = f"{FINDINGS}/F001.md"
    write(layout, bare, read(layout, TWO))
    (layout.root / TWO).unlink()
    write(layout, "kb/notes.md", "[x](findings/F001.md) and F001.\n")
    done = renumber(layout, "F001.md")
    assert done.new_path == f"{FINDINGS}/F002.md"
    assert read(layout, "kb/notes.md") == "[x](findings/F002.md) and F001.\n"
    assert [item.text for item in done.unclear] == ["[x](findings/F001.md) and F001."]
    assert codes(layout) == []


def test_a_dry_run_changes_nothing(layout: Layout) -> None:
    """The plan is what the real call does."""
    two_findings(layout)
    before = files(layout)
    planned = renumber(layout, TWO, dry_run=True)
    assert files(layout) == before
    assert renumber(layout, TWO) == planned


@pytest.mark.parametrize("step", range(1, 8))
def test_an_interrupted_call_is_gone_on_with(layout: Layout, step: int) -> None:
    """The new file comes first and the old one goes last; the same call ends what was begun."""
    two_findings(layout)
    before = files(layout)
    with pytest.MonkeyPatch.context() as patch:
        fail_after(patch, step)
        try:
            renumber(layout, TWO)
        except KeyboardInterrupt:
            assert TWO in files(layout) or NEW in files(layout)
            assert before[ONE] == files(layout)[ONE]
    if (layout.root / TWO).exists():
        assert renumber(layout, TWO).new_id == "F002"
    assert sorted(path for path in files(layout) if "/F0" in path) == [ONE, NEW]
    assert codes(layout) == []
    assert read(layout, H1).count("[[F002]]") == 1


def fail_after(patch: pytest.MonkeyPatch, step: int) -> None:
    """Let the process be interrupted at its ``step``-th change of a file."""
    from aexp.kb import renumber as module

    left = step

    def counted(function: object) -> object:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            return function(*args, **kwargs)  # type: ignore[operator]

        return call

    patch.setattr(module, "write_new", counted(module.write_new))
    patch.setattr(module, "write_atomic", counted(module.write_atomic))
    patch.setattr(Path, "unlink", counted(Path.unlink))


def test_a_full_disk_loses_nothing(layout: Layout, tmp_path: Path) -> None:
    """Nothing is removed before everything else is written."""
    two_findings(layout)
    before = files(layout)
    with failing_storage(tmp_path, "fsync"), pytest.raises(OSError):
        renumber(layout, TWO)
    assert files(layout)[TWO] == before[TWO]


# --- refusals -----------------------------------------------------------------------------------


def test_refusals_change_nothing(layout: Layout) -> None:
    """VAL-07: what is not clear is asked for, in one line with a hint."""
    two_findings(layout)
    write(layout, f"{FINDINGS}/odd.md", "no artifact\n")
    write(layout, f"{FINDINGS}/F007-torn.md", "---\nid: [\n---\n")
    before = files(layout)
    with pytest.raises(AmbiguousIdError, match=r"F001 is 2 files: .*F001-one.md, .*F001-two.md"):
        renumber(layout, "F001")
    with pytest.raises(NotFoundError, match="no artifact F001-tow") as error:
        renumber(layout, "F001-tow")
    assert error.value.hint == "did you mean F001-two?" or "F001-two" in str(error.value.hint)
    for to in ("F001", "F007"):
        with pytest.raises(UsageError, match="is in use"):
            renumber(layout, TWO, to=to)
    for to in ("E009", "F1", "nonsense"):
        with pytest.raises(UsageError, match="is no finding id"):
            renumber(layout, TWO, to=to)
    with pytest.raises(UsageError, match="no id in its name"):
        renumber(layout, "odd.md")
    with pytest.raises(CorruptDataError, match=r"F007-torn\.md"):
        renumber(layout, "F007-torn")
    assert files(layout) == before


def test_a_file_that_cannot_be_read_stops_it(layout: Layout) -> None:
    """A file that may refer to the artifact and cannot be read is mended first."""
    two_findings(layout)
    (layout.root / "kb/latin.md").write_bytes(b"F001 \xe9\n")
    before = files(layout)
    with pytest.raises(CorruptDataError, match=r"kb/latin\.md is not UTF-8"):
        renumber(layout, TWO)
    assert files(layout) == before


# --- the command --------------------------------------------------------------------------------


def test_the_command(repo: Machine) -> None:
    """VAL-07: paths count from where one is; the plan is printed and then done."""
    layout = open_layout(repo.path)
    two_findings(layout)
    repo.commit_all()
    below = repo / FINDINGS
    done = repo.aexp_fast("kb", "renumber", "F001-two.md", "--dry-run", cwd=below)
    assert done.stdout.splitlines()[0] == f"F001 would be F002: {NEW}"
    assert repo.status() == ""
    done = repo.aexp_fast("kb", "renumber", "F001-two.md", cwd=below)
    assert done.stdout.splitlines() == [
        f"F001 is now F002: {NEW}",
        f"  references rewritten in {E1}",
        f"  references rewritten in {H1}",
    ]
    report = repo.aexp_fast("validate", "--kb-only").stdout
    assert "0 errors, 0 warnings" in report
    assert repo.aexp_fast("kb", "renumber", "F009", check=False).returncode == 4


def test_ids_of_other_branches_are_left_free(repo: Machine) -> None:
    """KB-01, trap 21: the next free id looks at other branches, too."""
    layout = open_layout(repo.path)
    two_findings(layout)
    repo.commit_all()
    repo.git("checkout", "-q", "-b", "side")
    create_finding(layout, title="Side", hypothesis="H001", experiment="E001")
    repo.commit_all()
    repo.git("checkout", "-q", "main")
    assert repo.aexp_fast("kb", "renumber", TWO).stdout.startswith("F001 is now F003: ")


def test_after_two_clones_took_one_id(two_machines: TwoMachines) -> None:
    """Trap 21: two clones make a finding each; merged and renumbered, everything validates."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    cluster.aexp_fast("new-hypothesis", "--title", "Idea")
    cluster.aexp_fast("new-experiment", "--title", "Try", "--hypothesis", "H001")
    cluster.commit_all()
    cluster.push()
    laptop.pull()
    for machine, title in ((cluster, "One"), (laptop, "Two")):
        machine.aexp_fast(
            "new-finding", "--title", title, "--hypothesis", "H001", "--experiment", "E001"
        )
        machine.commit_all(title)
    cluster.push()
    laptop.pull()
    report = laptop.aexp_fast("validate", "--kb-only", check=False)
    assert "kb.duplicate_id" in report.stdout
    assert "aexp kb renumber" in report.stdout
    laptop.aexp_fast("kb", "renumber", "F001-two")
    assert "0 errors, 0 warnings" in laptop.aexp_fast("validate", "--kb-only").stdout
    laptop.commit_all("renumbered")
    laptop.push()
    cluster.pull()
    assert (cluster / NEW).is_file()


def test_linked_runs_are_named_and_not_changed(installed_repo: Machine) -> None:
    """VAL-07: a run's link is a fact of its own; the command that changes it is printed."""
    repo = installed_repo
    two_experiments(open_layout(repo.path))
    for seed in ("seed=0", "seed=1"):
        repo.aexp_fast("run", "--experiment", "E001", "--sp", seed, "--", "true")
    before = {p.name: p.read_bytes() for p in (repo / ".aexp/ledger").iterdir()}
    assert all(b"E001-again.md" in data for data in before.values())
    done = repo.aexp_fast("kb", "renumber", "E001-again")
    for name in before:
        assert f"  aexp link {name[:-5]} --experiment E002\n" in done.stdout
    assert {p.name: p.read_bytes() for p in (repo / ".aexp/ledger").iterdir()} == before
    for line in done.stdout.splitlines():
        if line.startswith("  aexp link "):
            repo.aexp_fast(*line.split()[1:])
    again = repo.aexp_fast("kb", "renumber", "E002", "--to", "E005", "--dry-run").stdout
    assert again.count("aexp link ") == 2


def test_runs_of_the_other_file_are_not_named(installed_repo: Machine) -> None:
    """VAL-07: a run whose link names the file that keeps the id stays with it."""
    repo = installed_repo
    two_experiments(open_layout(repo.path))
    repo.aexp_fast("run", "--experiment", "E001", "--sp", "seed=0", "--", "true")
    (entry,) = (repo / ".aexp/ledger").iterdir()
    assert b"E001-again.md" in entry.read_bytes()
    assert "aexp link" not in repo.aexp_fast("kb", "renumber", "E001-try").stdout


def test_renumbering_at_once(repo: Machine) -> None:
    """KB-01: of several calls at once each file gets an id of its own."""
    layout = open_layout(repo.path)
    two_findings(layout)
    for word in ("three", "four"):
        write(layout, f"{FINDINGS}/F001-{word}.md", read(layout, TWO))
    names = ("F001-two", "F001-three", "F001-four")
    ended = run_aexp_together([(repo.path, ("kb", "renumber", name)) for name in names])
    assert [done.returncode for done in ended] == [0, 0, 0]
    ids = sorted(path.name[:4] for path in (repo / FINDINGS).iterdir())
    assert ids == ["F001", "F002", "F003", "F004"]
    assert codes(layout) == []
