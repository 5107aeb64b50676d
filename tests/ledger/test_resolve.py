"""``aexp ledger resolve``: after any conflict both sides are one entry, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp.errors import UsageError
from aexp.ledger.merge_driver import (
    DRIVER_NAME,
    driver_arguments,
    merge_files,
)
from aexp.ledger.resolve import apply, plan_resolution
from aexp.model.canonical import canonical_bytes, signac_id
from aexp.model.entry import encode_entry, put_together, take_apart
from aexp.repo import open_layout
from tests.ledger.test_merge_driver import (
    BASE,
    OTHER,
    OTHER_POINT,
    OURS,
    PATH,
    THEIRS,
    machines_in,
    version,
)
from tests.support.machines import Completed, Machine, set_identity

UNION = merge_files(BASE, OURS, THEIRS, PATH).data
ALL_THREE = merge_files(None, UNION, BASE, PATH).data
OTHER_PATH = f".aexp/ledger/{signac_id(OTHER_POINT)}.json"


def put(machine: Machine, data: bytes | None, message: str = "entry", path: str = PATH) -> None:
    """Write a file of the ledger, or remove it, and commit."""
    target = machine / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        target.unlink()
    else:
        target.write_bytes(data)
    machine.commit_all(message)


def diverge(machine: Machine, base: bytes | None, ours: bytes | None, theirs: bytes | None) -> None:
    """Leave ``main`` with our version and ``side`` with theirs."""
    if base is not None:
        put(machine, base, "base")
    machine.git("checkout", "-q", "-b", "side")
    put(machine, theirs, "theirs")
    machine.git("checkout", "-q", "main")
    put(machine, ours, "ours")


def read(machine: Machine, path: str = PATH) -> bytes:
    """Return the entry in the work tree."""
    return (machine / path).read_bytes()


def resolve(machine: Machine, *args: str, code: int = 0) -> Completed:
    """Run ``aexp ledger resolve``."""
    return machine.aexp_fast("ledger", "resolve", *args, check=False).require(code)


def go_on(machine: Machine, command: str) -> None:
    """Run what ``resolve`` said goes on."""
    assert command.startswith("git ")
    machine.git("-c", "core.editor=true", *command.split()[1:])


def merge(machine: Machine) -> None:
    machine.git("merge", "-q", "side", check=False).require(1)


def rebase(machine: Machine) -> None:
    machine.git("rebase", "-q", "side", check=False).require(1)


def cherry_pick(machine: Machine) -> None:
    machine.git("cherry-pick", "side", check=False).require(1)


def apply_mail(machine: Machine) -> None:
    patch = machine.git("format-patch", "-1", "--stdout", "side").stdout
    machine.git("am", "-q", "-3", check=False, input=patch).require(128)


def strategy_resolve(machine: Machine) -> None:
    machine.git("merge", "-q", "-s", "resolve", "side", check=False).require(1)


def squash(machine: Machine) -> None:
    machine.git("merge", "-q", "--squash", "side", check=False).require(1)


WAYS: dict[str, tuple[Callable[[Machine], None], str | None]] = {
    "merge": (merge, "git merge --continue"),
    "rebase": (rebase, "git rebase --continue"),
    "cherry-pick": (cherry_pick, "git cherry-pick --continue"),
    "am": (apply_mail, "git am --continue"),
    "merge -s resolve": (strategy_resolve, "git merge --continue"),
    "squash": (squash, None),
}


@pytest.mark.parametrize("base", [BASE, None], ids=["edited on both sides", "added on both sides"])
@pytest.mark.parametrize("way", WAYS)
def test_in_the_middle_of(repo: Machine, way: str, base: bytes | None) -> None:
    """LED-10, trap 20: both sides are one entry, staged, and the command that goes on is named."""
    diverge(repo, base, OURS, THEIRS)
    start, command = WAYS[way]
    start(repo)
    assert repo.git("ls-files", "-u").stdout != ""
    said = resolve(repo).stdout
    assert read(repo) == UNION
    assert repo.status() == f"M  {PATH}\n"
    assert f"mended     {PATH}: both sides merged" in said
    if command is None:
        assert "what was mended is staged" in said
        repo.git("commit", "-q", "-m", "squashed")
    else:
        assert f"to go on: {command}" in said
        go_on(repo, command)
    assert repo.git("show", f"HEAD:{PATH}").stdout.encode() == UNION
    assert repo.status() == ""
    assert "no file of the ledger is in conflict" in resolve(repo).stdout


def test_after_a_stash_pop(repo: Machine) -> None:
    """LED-10: what was stashed is a side like any other."""
    put(repo, BASE)
    (repo / PATH).write_bytes(THEIRS)
    repo.git("stash", "-q")
    put(repo, OURS)
    repo.git("stash", "pop", "-q", check=False).require(1)
    resolve(repo)
    assert read(repo) == UNION
    assert repo.status() == f"M  {PATH}\n"


def test_a_revert_keeps_what_was_recorded(repo: Machine) -> None:
    """LED-10, LED-12: undoing a commit does not remove results; only a tombstone does."""
    put(repo, BASE)
    put(repo, UNION)
    put(repo, ALL_THREE)
    repo.git("revert", "--no-edit", "HEAD~1", check=False).require(1)
    assert "git revert --continue" in resolve(repo).stdout
    assert read(repo) == ALL_THREE


@pytest.mark.parametrize("removed", ["ours", "theirs"])
def test_an_edit_against_a_removal_is_kept(repo: Machine, removed: str) -> None:
    """LED-12, trap 23: an entry is removed by a tombstone only, and the command says so."""
    diverge(repo, BASE, *((None, OURS) if removed == "ours" else (OURS, None)))
    merge(repo)
    assert "only a tombstone removes an entry" in resolve(repo).stdout
    assert read(repo) == OURS
    go_on(repo, "git merge --continue")
    assert repo.status() == ""


@pytest.mark.parametrize("driver", [(), driver_arguments()], ids=["text merge", "driver"])
def test_two_runs_that_git_paired_go_their_own_ways(repo: Machine, driver: tuple[str, ...]) -> None:
    """Trap 74: an edit that rename detection moved into another run's entry goes back."""
    big = {"params": {f"p{i}": i for i in range(80)}}
    base, theirs = (version("cluster", wallclock_s=s, **big) for s in (1.0, 2.0))
    moved = canonical_bytes({**json.loads(OTHER), **big})
    put(repo, base, "base")
    repo.git("checkout", "-q", "-b", "side")
    put(repo, theirs, "theirs")
    repo.git("checkout", "-q", "main")
    (repo / PATH).unlink()
    put(repo, moved, "another run", OTHER_PATH)
    repo.write(".git/info/attributes", f".aexp/ledger/** merge={DRIVER_NAME}\n")
    repo.git("-c", "merge.renames=true", *driver, "merge", "-q", "side", check=False).require(1)
    assert OTHER_PATH in repo.git("ls-files", "-u").stdout, "git pairs the two"
    said = resolve(repo).stdout
    assert f"git had it as {OTHER_PATH}" in said
    assert machines_in(read(repo)) == {"cluster"}
    assert json.loads(read(repo, OTHER_PATH))["statepoint"] == OTHER_POINT
    go_on(repo, "git merge --continue")
    assert repo.status() == ""


def test_a_paired_run_that_cannot_go_its_own_way(repo: Machine) -> None:
    """Trap 74: while one version has no place to go, the file that holds it stays as it is."""
    big = {"params": {f"p{i}": i for i in range(80)}}
    put(repo, version("cluster", wallclock_s=1.0, **big), "base")
    repo.git("checkout", "-q", "-b", "side")
    put(repo, version("cluster", wallclock_s=2.0, **big), "theirs")
    repo.git("checkout", "-q", "main")
    (repo / PATH).unlink()
    put(repo, canonical_bytes({**json.loads(OTHER), **big}), "another run", OTHER_PATH)
    repo.git("-c", "merge.renames=true", "merge", "-q", "side", check=False).require(1)
    (repo / PATH).mkdir()
    before = repo.git("ls-files", "-s").stdout
    done = resolve(repo, code=10)
    assert f"left as it is: {OTHER_PATH}: a version in it belongs to {PATH}" in done.stderr
    assert repo.git("ls-files", "-s").stdout == before


def test_paths_of_both_layouts(repo: Machine) -> None:
    """LED-13: a sharded entry is mended where it stands."""
    job_id = json.loads(OURS)["job_id"]
    path = f".aexp/ledger/{job_id[:2]}/{job_id}.json"
    put(repo, BASE, path=path)
    repo.git("checkout", "-q", "-b", "side")
    put(repo, THEIRS, path=path)
    repo.git("checkout", "-q", "main")
    put(repo, OURS, path=path)
    merge(repo)
    resolve(repo)
    assert read(repo, path) == UNION


# --- what is left, and what is not touched ------------------------------------------------------


@pytest.mark.parametrize("bad", [b"", b"{", OTHER.replace(b'"laptop"', b"7"), OURS[:200]])
def test_a_damaged_side_is_left_to_a_person(repo: Machine, bad: bytes) -> None:
    """LED-10: one side is no entry: nothing is written, nothing staged, the rest is mended."""
    diverge(repo, BASE, OURS, bad)
    repo.git("checkout", "-q", "side")
    put(repo, OTHER, path=OTHER_PATH)
    repo.git("checkout", "-q", "main")
    put(repo, OTHER.replace(b"laptop", b"deskpc"), path=OTHER_PATH)
    merge(repo)
    before = read(repo)
    done = resolve(repo, code=10)
    assert f"left as it is: {PATH}" in done.stderr
    assert read(repo) == before
    assert repo.git("ls-files", "-u", "--", PATH).stdout != ""
    assert machines_in(read(repo, OTHER_PATH)) == {"laptop", "deskpc"}
    assert repo.git("ls-files", "-u", "--", OTHER_PATH).stdout == ""


def test_only_the_ledger_is_staged(repo: Machine) -> None:
    """LED-10: conflicts and changes elsewhere stay exactly as they are, and are named."""
    repo.git("checkout", "-q", "-b", "side")
    repo.write("train.py", "side\n")
    put(repo, THEIRS)
    repo.git("checkout", "-q", "main")
    repo.write("train.py", "main\n")
    put(repo, OURS)
    merge(repo)
    repo.write("README.md", "# Being edited\n")
    text = repo.read("train.py")
    done = resolve(repo)
    assert "in conflict outside the ledger: train.py" in done.stderr
    assert "to go on" not in done.stdout
    assert repo.read("train.py") == text
    assert repo.status() == f"M  {PATH}\n M README.md\nUU train.py\n"


def test_a_dry_run_changes_nothing(repo: Machine) -> None:
    """The plan is printed, and neither a file nor the index changes."""
    diverge(repo, BASE, OURS, THEIRS)
    merge(repo)
    before = read(repo), repo.git("ls-files", "-s").stdout
    assert f"would mend {PATH}: both sides merged" in resolve(repo, "--dry-run").stdout
    assert (read(repo), repo.git("ls-files", "-s").stdout) == before


def test_named_paths_only(repo: Machine) -> None:
    """PATH names files or folders, also from a folder below; outside the ledger is an error."""
    for path, mine, other in (
        (PATH, OURS, THEIRS),
        (OTHER_PATH, OTHER, OTHER.replace(b"laptop", b"deskpc")),
    ):
        repo.git("checkout", "-q", "-B", "side", "main")
        put(repo, other, path=path)
        repo.git("checkout", "-q", "main")
        put(repo, mine, path=path)
        repo.git("merge", "-q", "side", check=False).require(1)
        repo.git("add", "-A")
        repo.git("commit", "-q", "-m", "markers")
    below = repo / ".aexp" / "ledger"
    repo.aexp_fast("ledger", "resolve", Path(PATH).name, cwd=below)
    assert read(repo) == UNION
    assert b"<<<<<<<" in read(repo, OTHER_PATH)
    resolve(repo, ".aexp/ledger")
    assert b"<<<<<<<" not in read(repo, OTHER_PATH)
    assert "is no file of the ledger" in resolve(repo, "train.py", code=2).stderr
    assert "there is no file" in resolve(repo, ".aexp/ledger/mistyped.json", code=4).stderr
    with pytest.raises(UsageError):
        plan_resolution(open_layout(repo.path), ["kb"])


def test_what_a_person_mended_lives_on(repo: Machine) -> None:
    """LED-10: a sound entry in the work tree is a third side; an unsound one is kept aside."""
    diverge(repo, BASE, OURS, THEIRS)
    merge(repo)
    (repo / PATH).write_bytes(BASE)
    resolve(repo)
    assert read(repo) == ALL_THREE
    repo.git("reset", "-q", "--hard")
    merge(repo)
    (repo / PATH).write_bytes(b'{"half": "done"}\n')
    resolve(repo)
    assert read(repo) == UNION
    kept = list((repo / ".aexp/replaced").iterdir())
    assert [path.read_bytes() for path in kept] == [b'{"half": "done"}\n']


def test_a_file_that_changes_meanwhile_is_left(repo: Machine) -> None:
    """LED-05: what somebody writes between plan and apply is not overwritten."""
    diverge(repo, BASE, OURS, THEIRS)
    merge(repo)
    layout = open_layout(repo.path)
    plan = plan_resolution(layout)
    (repo / PATH).write_bytes(ALL_THREE)
    assert list(apply(layout, plan)) == [PATH]
    assert read(repo) == ALL_THREE
    assert repo.git("ls-files", "-u").stdout != ""


def test_a_locked_index_is_no_loss(repo: Machine) -> None:
    """LED-05: git cannot add what was mended; it is whole, and the same call ends the work."""
    diverge(repo, BASE, OURS, THEIRS)
    merge(repo)
    lock = repo / ".git/index.lock"
    lock.touch()
    done = resolve(repo, code=9)
    assert "git add failed: " in done.stderr
    assert read(repo) == UNION
    assert repo.git("ls-files", "-u").stdout != ""
    lock.unlink()
    resolve(repo)
    assert repo.status() == f"M  {PATH}\n"


def test_a_criss_cross_merge(repo: Machine) -> None:
    """LED-10: with several ancestors git merges those first; markers in a base do no harm."""
    put(repo, BASE)
    for branch, data in (("left", OURS), ("right", THEIRS)):
        repo.git("checkout", "-q", "-b", branch, "main")
        put(repo, data)
    first, second = repo.git("rev-parse", "left", "right").stdout.split()
    for branch, other in (("left", second), ("right", first)):
        repo.git("checkout", "-q", branch)
        repo.git("merge", "-q", other, check=False).require(1)
        resolve(repo)
        repo.git("commit", "-q", "-m", "merged")
        own = version(branch, wallclock_s=7.0)
        put(repo, merge_files(None, read(repo), own, PATH).data)
    repo.git("merge", "-q", "left", check=False).require(1)
    assert b"<<<<<<<" in repo.git("show", f":1:{PATH}").stdout.encode()
    resolve(repo)
    assert machines_in(read(repo)) == {"laptop", "cluster", "left", "right"}


def test_other_records_are_left(repo: Machine) -> None:
    """INS-06: records without a rule are a person's, and the entries beside them are mended."""
    path = ".aexp/ledger/sweeps/s1.json"
    repo.git("checkout", "-q", "-b", "side")
    put(repo, b"theirs\n", path=path)
    put(repo, THEIRS)
    repo.git("checkout", "-q", "main")
    put(repo, b"ours\n", path=path)
    put(repo, OURS)
    merge(repo)
    done = resolve(repo, code=10)
    assert f"left as it is: {path}: there is no rule" in done.stderr
    assert read(repo) == UNION
    repo.git("add", path)
    assert f"left as it is: {path}" in resolve(repo, code=10).stderr


def test_a_rule_that_ignores_the_ledger_is_no_obstacle(repo: Machine) -> None:
    """INS-04: an entry that git ignores is staged all the same; it is in the commits already."""
    repo.write(".gitignore", ".aexp/\n")
    repo.git("add", "-A")
    repo.git("checkout", "-q", "-b", "side")
    for branch, data in (("side", THEIRS), ("main", OURS)):
        repo.git("checkout", "-q", branch)
        (repo / PATH).parent.mkdir(parents=True, exist_ok=True)
        (repo / PATH).write_bytes(data)
        repo.git("add", "-f", PATH)
        repo.git("commit", "-q", "-m", branch)
    merge(repo)
    resolve(repo)
    assert repo.git("ls-files", "-u").stdout == ""
    assert read(repo) == UNION


@pytest.mark.parametrize("last", [True, False], ids=["last branch", "branch before the last"])
def test_an_octopus(repo: Machine, last: bool) -> None:
    """LED-10: git leaves a conflict that is mended, or refuses and leaves everything as it was."""
    put(repo, BASE)
    for branch, data in (("one", OURS), ("two", THEIRS), ("three", None)):
        repo.git("checkout", "-q", "-b", branch, "main")
        if data is not None:
            put(repo, data)
        else:
            repo.write("notes.txt", "something else\n")
            repo.commit_all()
    repo.git("checkout", "-q", "main")
    repo.write("README.md", "# moved on\n")
    head = repo.commit_all()
    branches = ("three", "one", "two") if last else ("one", "two", "three")
    assert repo.git("merge", "-q", *branches, check=False).returncode != 0
    if last:
        assert "git merge --continue" in resolve(repo).stdout
        go_on(repo, "git merge --continue")
        assert read(repo) == UNION
    else:
        assert (repo.head(), repo.status(), read(repo)) == (head, "", BASE)


def test_a_linked_worktree(repo: Machine, tmp_path: Path) -> None:
    """LED-10: in a linked worktree the merge's state is in its own git folder."""
    diverge(repo, BASE, OURS, THEIRS)
    repo.git("worktree", "add", "-q", "-b", "third", str(tmp_path / "tree"), "main")
    tree = Machine(tmp_path / "tree")
    set_identity(tree.path, "dev")
    merge(tree)
    tree.git("add", "-A")
    assert "git merge --continue" in resolve(tree).stdout
    assert read(tree) == UNION
    assert read(repo) == OURS


def test_mended_twice_is_mended_once(repo: Machine) -> None:
    """LED-06: the mended entry is canonical, and its union with either side is itself."""
    assert encode_entry(put_together(take_apart(json.loads(UNION)))) == UNION
    diverge(repo, OURS, UNION, THEIRS)
    merge(repo)
    resolve(repo)
    assert read(repo) == UNION
