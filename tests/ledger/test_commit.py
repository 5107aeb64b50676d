"""The commit of ``aexp ledger backfill``: the ledger, and nothing but the ledger (LED-07)."""

from __future__ import annotations

import stat
from collections.abc import Callable

import pytest

from tests.ledger.test_backfill import entry_of, name_of, put_run
from tests.support.machines import Completed, Machine, TwoMachines


def backfill(machine: Machine, *args: str, **env: str) -> Completed:
    """Run ``aexp ledger backfill`` in this process."""
    return machine.aexp_fast("ledger", "backfill", *args, check=False, env=env)


def committed_files(machine: Machine) -> list[str]:
    """Return the paths that the last commit changed."""
    shown = machine.git("show", "--format=", "--name-only", "--no-renames", "HEAD").stdout
    return shown.split()


def hook(machine: Machine, name: str, script: str) -> None:
    """Give the repository a git hook."""
    path = machine.write(f".git/hooks/{name}", f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def make_mess(machine: Machine) -> None:
    """Leave staged, unstaged, half staged, deleted, renamed and untracked changes behind."""
    for name in ("half.py", "gone.py", "old name.py", "kept.py"):
        machine.write(name, f"print({name!r})\n")
    machine.commit_all("More files")
    machine.write("staged [1].py", "staged\n")
    machine.write("half.py", "first half\n")
    machine.git("mv", "old name.py", "new name.py")
    machine.git("rm", "-q", "--cached", "kept.py")
    machine.git("add", "--", ":(literal)staged [1].py", "half.py")
    machine.write("half.py", "first half\nsecond half\n")
    machine.write("train.py", "print('not staged')\n")
    (machine / "gone.py").unlink()
    machine.write("untracked.py", "nobody asked\n")
    machine.write("meant.py", "soon\n")
    machine.git("add", "--intent-to-add", "meant.py")


def test_the_users_changes_stay_exactly_as_they_were(installed_repo: Machine) -> None:
    """LED-07, trap 75: the commit holds ledger paths only; the next commit keeps the entries."""
    make_mess(installed_repo)
    ids = sorted([put_run(installed_repo, 0), put_run(installed_repo, 1)])
    before = installed_repo.git("diff", "--cached").stdout, installed_repo.status()
    unstaged = installed_repo.git("diff").stdout
    done = backfill(installed_repo).require(0)
    assert "committed 2 ledger files as " in done.stdout
    assert committed_files(installed_repo) == [name_of(job_id) for job_id in ids]
    after = installed_repo.git("diff", "--cached").stdout, installed_repo.status()
    assert after == before
    assert installed_repo.git("diff").stdout == unstaged
    installed_repo.git("commit", "-q", "-m", "the user's own")
    assert not any(path.startswith(".aexp/ledger") for path in committed_files(installed_repo))
    tracked = installed_repo.git("ls-tree", "--name-only", "HEAD", ".aexp/ledger/").stdout.split()
    assert tracked == [name_of(job_id) for job_id in ids]


def test_nothing_new_makes_no_commit(installed_repo: Machine) -> None:
    """LED-06, LED-07: a second backfill changes neither HEAD, nor the index, nor a byte."""
    put_run(installed_repo)
    backfill(installed_repo).require(0)
    index, head = (installed_repo / ".git/index").read_bytes(), installed_repo.head()
    done = backfill(installed_repo).require(0)
    assert "nothing to commit" in done.stdout
    assert ((installed_repo / ".git/index").read_bytes(), installed_repo.head()) == (index, head)
    assert installed_repo.status() == ""


def test_a_staged_entry_is_committed_with_the_rest(installed_repo: Machine) -> None:
    """LED-07: entries left by ``--no-commit``, staged or not, are in the next commit."""
    first = put_run(installed_repo)
    backfill(installed_repo, "--no-commit").require(0)
    installed_repo.git("add", name_of(first))
    second = put_run(installed_repo, 1)
    backfill(installed_repo).require(0)
    assert committed_files(installed_repo) == sorted([name_of(first), name_of(second)])
    assert installed_repo.status() == ""


def detach(machine: Machine) -> None:
    """Detach HEAD."""
    machine.git("checkout", "-q", "--detach")


def forget_identity(machine: Machine) -> None:
    """Leave git without a committer."""
    machine.git("config", "--unset", "user.name")
    machine.git("config", "--unset", "user.email")
    machine.git("config", "user.useConfigOnly", "true")


def diverge(machine: Machine) -> None:
    """Make a branch ``side`` whose ``train.py`` conflicts with that of ``main``."""
    machine.git("checkout", "-q", "-b", "side")
    machine.write("train.py", "side\n")
    machine.commit_all()
    machine.git("checkout", "-q", "main")
    machine.write("train.py", "main\n")
    machine.commit_all()


def merging(machine: Machine) -> None:
    """Stop in the middle of a merge."""
    diverge(machine)
    machine.git("merge", "side", check=False).require(1)


def rebasing(machine: Machine) -> None:
    """Stop in the middle of a rebase."""
    diverge(machine)
    machine.git("rebase", "side", check=False).require(1)


def picking(machine: Machine) -> None:
    """Stop in the middle of a cherry-pick."""
    diverge(machine)
    machine.git("cherry-pick", "side", check=False).require(1)


def reverting(machine: Machine) -> None:
    """Stop in the middle of a revert."""
    diverge(machine)
    machine.write("train.py", "later\n")
    machine.commit_all()
    machine.git("revert", "--no-edit", "HEAD~1", check=False).require(1)


def bisecting(machine: Machine) -> None:
    """Begin a bisection."""
    machine.git("bisect", "start")


def ignoring(machine: Machine) -> None:
    """Hide the ledger with a rule of the user's own."""
    machine.write(".gitignore", machine.read(".gitignore") + "\n.aexp/\n")


STATES = {
    "a rule of git ignores the ledger": ignoring,
    "HEAD is detached": detach,
    "git does not know who you are": forget_identity,
    "a merge is in progress": merging,
    "a rebase is in progress": rebasing,
    "a cherry-pick is in progress": picking,
    "a revert is in progress": reverting,
    "a bisect is in progress": bisecting,
}


def assert_skipped(machine: Machine, reason: str, **env: str) -> None:
    """Check that a backfill writes its entry, commits nothing, and says why."""
    job_id = put_run(machine)
    head, staged = machine.head(), machine.git("ls-files", "--stage").stdout
    done = backfill(machine, **env).require(9)
    assert reason in done.stderr
    assert "1 promoted" in done.stdout
    assert entry_of(machine, job_id)["job_id"] == job_id
    assert (machine.head(), machine.git("ls-files", "--stage").stdout) == (head, staged)


@pytest.mark.parametrize(("reason", "prepare"), STATES.items(), ids=STATES)
def test_where_no_commit_can_be_made(
    installed_repo: Machine, reason: str, prepare: Callable[[Machine], None]
) -> None:
    """LED-07: files are written, the commit is skipped with its reason, and the exit is not 0."""
    prepare(installed_repo)
    assert_skipped(installed_repo, reason)


def test_inside_a_hook(installed_repo: Machine) -> None:
    """Trap 76, LED-07: ``GIT_INDEX_FILE`` is set, so a hook runs, and no commit is made in it."""
    index = str(installed_repo / ".git/index")
    assert_skipped(installed_repo, "a git hook is running", GIT_INDEX_FILE=index)


def test_a_real_hook_does_not_kill_the_users_commit(installed_repo: Machine) -> None:
    """Trap 76: a pre-commit hook that runs backfill leaves the user's commit alive."""
    import sys

    job_id = put_run(installed_repo)
    hook(installed_repo, "pre-commit", f"'{sys.executable}' -m aexp ledger backfill; exit 0")
    installed_repo.write("train.py", "print('mine')\n")
    installed_repo.git("commit", "-q", "-a", "-m", "mine")
    assert committed_files(installed_repo) == ["train.py"]
    assert (installed_repo / name_of(job_id)).is_file()


def test_the_first_commit_of_a_repository(installed_repo: Machine) -> None:
    """LED-07: on a branch without commits the ledger alone may be the first one."""
    installed_repo.git("checkout", "-q", "--orphan", "fresh")
    job_id = put_run(installed_repo)
    staged = set(installed_repo.git("ls-files").stdout.split())
    backfill(installed_repo).require(0)
    assert installed_repo.git("ls-tree", "-r", "--name-only", "HEAD").stdout.split() == [
        name_of(job_id)
    ]
    assert set(installed_repo.git("ls-files").stdout.split()) == {*staged, name_of(job_id)}


@pytest.mark.parametrize("mess", [False, True], ids=["clean", "with staged changes"])
def test_a_failing_commit_restores_the_index(installed_repo: Machine, mess: bool) -> None:
    """LED-07: signing is respected; when it fails the index has its old bytes again."""
    if mess:
        make_mess(installed_repo)
    installed_repo.git("config", "commit.gpgSign", "true")
    installed_repo.git("config", "gpg.program", "false")
    job_id = put_run(installed_repo)
    installed_repo.status()
    index, head = (installed_repo / ".git/index").read_bytes(), installed_repo.head()
    done = backfill(installed_repo).require(9)
    assert "git commit failed" in done.stderr
    assert (installed_repo / ".git/index").read_bytes() == index
    assert installed_repo.head() == head
    assert (installed_repo / name_of(job_id)).is_file()
    assert not [p.name for p in (installed_repo / ".git").iterdir() if "aexp" in p.name]


def test_hooks_run_only_when_asked(installed_repo: Machine) -> None:
    """LED-07: no hook runs for the ledger's commit, unless ``--hooks`` says so."""
    names = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit")
    for name in names:
        hook(installed_repo, name, f"echo {name} >> .git/ran")
    put_run(installed_repo)
    backfill(installed_repo).require(0)
    assert not (installed_repo / ".git/ran").exists()
    put_run(installed_repo, 1)
    backfill(installed_repo, "--hooks").require(0)
    assert installed_repo.read(".git/ran").split() == list(names)


def test_a_hook_that_refuses(installed_repo: Machine) -> None:
    """LED-07: a pre-commit hook stops the commit only with ``--hooks``; the index is restored."""
    hook(installed_repo, "pre-commit", "exit 1")
    put_run(installed_repo)
    installed_repo.status()
    index = (installed_repo / ".git/index").read_bytes()
    backfill(installed_repo, "--hooks").require(9)
    assert (installed_repo / ".git/index").read_bytes() == index
    backfill(installed_repo).require(0)


def test_a_failed_run_does_not_stop_the_commit(installed_repo: Machine) -> None:
    """LED-07: the good entries are committed, and the exit still tells of the failure."""
    bad, fine = put_run(installed_repo), put_run(installed_repo, 1)
    (installed_repo / f".runs/workspace/{bad}/signac_job_document.json").write_text("{", "utf-8")
    done = backfill(installed_repo).require(10)
    assert bad in done.stderr
    assert committed_files(installed_repo) == [name_of(fine)]


def test_what_is_no_entry_is_left_out(installed_repo: Machine) -> None:
    """Traps 2, 10: strays and corrupt files of others are named and not committed."""
    job_id = put_run(installed_repo)
    installed_repo.write(".aexp/ledger/notes.txt", "mine\n")
    installed_repo.write(name_of("f" * 32), "{}")
    done = backfill(installed_repo).require(0)
    assert committed_files(installed_repo) == [name_of(job_id)]
    assert done.stderr.count("left out of the commit") == 2


def test_the_push_command_is_told(two_machines: TwoMachines) -> None:
    """LED-07: without an upstream the whole push command is printed, and it works as printed."""
    cluster = two_machines.cluster
    cluster.git("checkout", "-q", "-b", "work")
    put_run(cluster)
    done = backfill(cluster).require(0)
    assert "to share: git push --set-upstream origin work\n" in done.stdout
    cluster.git("push", "-q", "--set-upstream", "origin", "work")
    put_run(cluster, 1)
    assert "to share: git push\n" in backfill(cluster).require(0).stdout
    cluster.git("push", "-q")
    assert "to share" not in backfill(cluster).require(0).stdout


def test_other_shared_files_are_listed(installed_repo: Machine) -> None:
    """LED-07: what other clones need and do not have is listed, and left alone."""
    put_run(installed_repo)
    installed_repo.write("kb/research/experiments/E001-a.md", "# new\n")
    installed_repo.write("untracked.py", "private\n")
    before = installed_repo.status()
    done = backfill(installed_repo).require(0)
    assert "not committed yet: kb/research/experiments/E001-a.md" in done.stderr
    assert "untracked.py" not in done.output
    assert installed_repo.status() == before


def test_a_waiting_index_lock(installed_repo: Machine) -> None:
    """LED-07: while another git holds the index for a moment, backfill waits and then commits."""
    import threading

    put_run(installed_repo)
    lock = installed_repo.write(".git/index.lock", "")
    threading.Timer(0.5, lock.unlink).start()
    assert "committed 1 ledger file as" in backfill(installed_repo).require(0).stdout
