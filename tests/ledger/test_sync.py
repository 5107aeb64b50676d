"""``aexp sync``: share, fetch, and stop untouched where a person must decide (LED-14)."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aexp.ledger import sync as sync_module
from aexp.ledger import sync_merge
from aexp.ledger.sync_remote import relevant_line
from tests.ledger.test_backfill import entry_of, name_of, put_run
from tests.ledger.test_commit import STATES, make_mess
from tests.support.machines import Completed, Machine, TwoMachines, make_two_machines
from tests.support.race import run_aexp_together


@pytest.fixture(scope="module")
def _two_machines_template(tmp_path_factory: pytest.TempPathFactory, sealed_home: Path) -> Path:
    folder = tmp_path_factory.mktemp("two-machines")
    make_two_machines(folder)
    return folder


@pytest.fixture
def two_machines(tmp_path: Path, _two_machines_template: Path) -> TwoMachines:
    """A copy of two machines that were made once: making them takes longer than any test here."""
    shutil.copytree(_two_machines_template, tmp_path, dirs_exist_ok=True, symlinks=True)
    remote = tmp_path / "remote.git"
    machines = [Machine(tmp_path / name, name) for name in ("cluster", "laptop")]
    for machine in machines:
        machine.git("remote", "set-url", "origin", str(remote))
    return TwoMachines(remote, *machines)


def sync(machine: Machine, *args: str, code: int = 0) -> Completed:
    """Run ``aexp sync`` in this process and check how it ends."""
    done = machine.aexp_fast("sync", *args, check=False).require(code)
    if code:
        assert [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert "Traceback" not in done.output
    return done


def snapshot(machine: Machine) -> Mapping[str, object]:
    """Return what a person must find as it was: HEAD, index, work tree, unfinished merges."""
    folder = machine.path
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
    return {
        "head": machine.git("rev-parse", "HEAD").stdout,
        "index": machine.git("ls-files", "--stage").stdout,
        "staged": machine.git("diff", "--cached").stdout,
        "status": machine.status(),
        "files": files,
        "merging": (folder / ".git/MERGE_HEAD").exists(),
        "stash": machine.git("stash", "list").stdout,
    }


def entries(machine: Machine) -> dict[str, bytes]:
    """Return the ledger's files."""
    return {path.name: path.read_bytes() for path in (machine / ".aexp/ledger").glob("*.json")}


def machines_of(machine: Machine, job_id: str) -> set[str]:
    """Return who registered the attempts of a run."""
    entry = entry_of(machine, job_id)
    return {a["registered_machine"] for a in (entry, *entry.get("replicates", ()))}


def share(machine: Machine, path: str, text: str) -> None:
    """Commit a file and push it."""
    machine.write(path, text)
    machine.git("add", "-f", path)
    machine.git("commit", "-q", "-m", f"Change {path}")
    machine.push()


def git_hook(folder: Path, name: str, script: str) -> None:
    """Give a repository a hook."""
    path = folder / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


# --- sharing -------------------------------------------------------------------------------------


def test_both_ways(two_machines: TwoMachines) -> None:
    """LED-14: what one machine synchronizes, the next has after its own; all is said."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    put_run(cluster, 1), put_run(cluster, 2)
    done = sync(cluster)
    assert "2 promoted, 0 refreshed, 0 skipped, 0 failed\n" in done.stdout
    assert "committed 2 ledger files\n" in done.stdout
    assert "pushed 1 commit to origin/main\n" in done.stdout
    put_run(laptop, 3)
    done = sync(laptop)
    assert "merged 1 commit of origin/main with 2 ledger entries\n" in done.stdout
    assert "pushed 2 commits to origin/main\n" in done.stdout
    done = sync(cluster)
    assert "merged 2 commits of origin/main with 1 ledger entry\n" in done.stdout
    assert "nothing to push" in done.stdout
    assert sync(cluster).stdout == "nothing to do: the branch and origin/main are the same\n"
    assert entries(cluster) == entries(laptop)
    assert len(entries(cluster)) == 3
    assert cluster.head() == laptop.head()
    assert (cluster.status(), laptop.status()) == ("", "")


def test_one_run_on_two_machines_keeps_both_results(two_machines: TwoMachines) -> None:
    """LED-10, LED-14: the merge is the driver's; neither result is lost, nor mixed."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    job_id = put_run(cluster, 1, note="there")
    put_run(laptop, 1, note="here", status="failed")
    sync(cluster), sync(laptop), sync(cluster)
    assert machines_of(cluster, job_id) == {"cluster", "laptop"}
    assert entries(cluster) == entries(laptop)
    assert "ledger." not in cluster.aexp_fast("validate", check=False).stdout


def test_a_clone_without_installation_merges_too(two_machines: TwoMachines) -> None:
    """LED-14, INS-06: neither ``.gitattributes`` nor configuration is needed; the user's own
    attributes for all repositories stay in force."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    cluster.git("rm", "-q", ".gitattributes")
    share(cluster, "notes.txt", "begin\n")
    shutil.rmtree(laptop.path)
    fresh = Machine(laptop.path)
    cluster.git("clone", "-q", str(two_machines.remote), str(fresh.path))
    fresh.git("config", "user.name", "new")
    fresh.git("config", "user.email", "new@example.org")
    home = Path(os.environ["HOME"])
    (home / ".config/git").mkdir(parents=True)
    (home / ".config/git/attributes").write_text("notes.txt merge=union", "utf-8")
    job_id = put_run(cluster, 1)
    put_run(fresh, 1, status="failed")
    share(cluster, "notes.txt", "begin\ntheirs\n")
    fresh.write("notes.txt", "begin\nours\n")
    fresh.git("commit", "-q", "-a", "-m", "ours")
    sync(cluster), sync(fresh), sync(cluster)
    assert len({*machines_of(fresh, job_id)}) == 2
    assert sorted(fresh.read("notes.txt").split()) == ["begin", "ours", "theirs"]
    assert entries(cluster) == entries(fresh)
    assert fresh.git("config", "--get-regexp", "merge.aexp", check=False).stdout == ""


@pytest.mark.parametrize("change", ["identical", "another attempt"])
def test_an_untracked_entry_never_blocks(two_machines: TwoMachines, change: str) -> None:
    """Trap 70: an entry copied by hand, which plain ``git pull`` stumbles over, is merged."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    job_id = put_run(cluster, 1)
    sync(cluster)
    copied = laptop.write(name_of(job_id), cluster.read(name_of(job_id)))
    if change == "another attempt":
        copied.unlink()
        put_run(laptop, 1, status="failed")
        laptop.aexp_fast("ledger", "backfill", "--no-commit")
    laptop.pull(check=False).require(1)
    sync(laptop)
    expected = {"cluster"} if change == "identical" else {"cluster", "laptop"}
    assert machines_of(laptop, job_id) == expected
    assert laptop.status() == ""


def test_an_entry_that_appears_during_the_merge(
    two_machines: TwoMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 70: a run that ends between commit and merge is committed in a second round."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    job_id = put_run(cluster, 1)
    sync(cluster)
    fetch = sync_module.fetch
    late = [cluster.read(name_of(job_id))]

    def slow(*args: Any) -> str | None:
        if late:
            laptop.write(name_of(job_id), late.pop())
        return fetch(*args)

    monkeypatch.setattr(sync_module, "fetch", slow)
    sync(laptop)
    assert laptop.status() == ""
    assert machines_of(laptop, job_id) == {"cluster"}


@pytest.mark.parametrize("kind", ["merge", "fast-forward"])
def test_the_users_changes_survive(two_machines: TwoMachines, kind: str) -> None:
    """LED-14: staged, half staged, unstaged, renamed, deleted and untracked things stay."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    make_mess(laptop)
    if kind == "fast-forward":
        laptop.git("push", "-q")
        cluster.pull()
    else:
        put_run(laptop, 2)
    put_run(cluster, 1)
    sync(cluster)
    before = laptop.git("diff", "--cached").stdout, laptop.git("diff").stdout, laptop.status()
    names = ("half.py", "staged [1].py", "new name.py", "kept.py", "meant.py")
    staged = laptop.git("ls-files", "--stage", "--", *(f":(literal){n}" for n in names)).stdout
    sync(laptop)
    after = laptop.git("diff", "--cached").stdout, laptop.git("diff").stdout, laptop.status()
    assert after == before
    assert laptop.git("ls-files", "--stage", "--", *(f":(literal){n}" for n in names)).stdout == (
        staged
    )
    assert len(entries(laptop)) == (1 if kind == "fast-forward" else 2)
    assert laptop.git("stash", "list").stdout == ""
    merged = laptop.git("show", "--format=", "--name-only", "-m", "HEAD").stdout.split()
    assert not [path for path in merged if path.endswith(".py") and path.startswith("staged")]


def test_a_failing_run_leaves_the_others_shared(two_machines: TwoMachines) -> None:
    """LED-14: exit 10 when single runs fail to promote; the rest is at the remote."""
    cluster = two_machines.cluster
    bad, fine = put_run(cluster, 1), put_run(cluster, 2)
    (cluster / f".runs/workspace/{bad}/signac_job_document.json").write_text("{", "utf-8")
    done = sync(cluster, code=10)
    assert bad in done.stderr
    assert "pushed 1 commit" in done.stdout
    assert name_of(fine) in cluster.git("ls-tree", "-r", "--name-only", "origin/main").stdout


def test_no_push(two_machines: TwoMachines) -> None:
    """LED-14: with ``--no-push`` everything but the push is done."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    put_run(cluster, 1)
    sync(cluster)
    put_run(laptop, 2)
    there = cluster.git("ls-remote", "origin").stdout
    assert "pushed" not in sync(laptop, "--no-push").stdout
    assert len(entries(laptop)) == 2
    assert cluster.git("ls-remote", "origin").stdout == there


def test_a_dry_run_changes_nothing_and_asks_nobody(two_machines: TwoMachines) -> None:
    """LED-14: the plan is told without the remote, and no byte changes, git's own included."""
    cluster = two_machines.cluster
    put_run(cluster, 1)
    put_run(cluster, 2, note="x")
    cluster.aexp_fast("ledger", "backfill")
    put_run(cluster, 3)
    shutil.rmtree(two_machines.remote)

    def everything() -> dict[str, str]:
        paths = (path for path in cluster.path.rglob("*") if path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

    before = everything()
    said = cluster.aexp_fast("sync", "--dry-run").stdout
    assert everything() == before
    assert "would promote 1 run and refresh 0" in said
    assert "would commit 1 ledger file\n" in said
    assert "origin/main" in said


# --- the remote ----------------------------------------------------------------------------------


def test_a_new_branch_becomes_the_upstream(two_machines: TwoMachines) -> None:
    """LED-14: a branch that the remote lacks is pushed with ``--set-upstream``, and it is said."""
    cluster = two_machines.cluster
    cluster.git("checkout", "-q", "-b", "work")
    put_run(cluster)
    assert "to origin/work, a new branch there\n" in sync(cluster).stdout
    assert cluster.git("rev-parse", "--abbrev-ref", "@{upstream}").stdout == "origin/work\n"


def test_a_branch_of_the_same_name_is_not_assumed_to_be_ours(two_machines: TwoMachines) -> None:
    """LED-14: without an upstream, a branch that the remote has is merged only when asked for."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    cluster.git("checkout", "-q", "-b", "work")
    put_run(cluster, 1)
    sync(cluster)
    laptop.git("checkout", "-q", "-b", "work")
    put_run(laptop, 2)
    done = sync(laptop, code=9)
    assert "has no upstream" in done.stderr
    assert "git branch --set-upstream-to=origin/work" in done.stderr
    assert "pushed" in sync(laptop, "--remote", "origin").stdout
    assert len(entries(laptop)) == 2


def test_another_remote(two_machines: TwoMachines, tmp_path: Path) -> None:
    """LED-14: ``--remote`` shares with another one and leaves the upstream alone."""
    cluster = two_machines.cluster
    cluster.git("init", "-q", "--bare", str(tmp_path / "second.git"))
    cluster.git("remote", "add", "second", str(tmp_path / "second.git"))
    put_run(cluster)
    assert "to second/main, a new branch there" in sync(cluster, "--remote", "second").stdout
    assert cluster.git("rev-parse", "--abbrev-ref", "@{upstream}").stdout == "origin/main\n"
    done = sync(cluster, "--remote", "third", code=4)
    assert "hint: there are: origin, second" in done.stderr


def test_a_branch_that_was_removed_there(two_machines: TwoMachines) -> None:
    """LED-14: a branch that somebody removed from the remote is not pushed anew unasked."""
    cluster = two_machines.cluster
    cluster.git("checkout", "-q", "-b", "work")
    put_run(cluster, 1)
    sync(cluster)
    two_machines.laptop.git("push", "-q", "origin", "--delete", "work")
    put_run(cluster, 2)
    done = sync(cluster, code=9)
    assert "error: origin/work is gone from the remote" in done.stderr
    assert "`git push origin work:work`" in done.stderr
    assert "work" not in cluster.git("ls-remote", "origin").stdout


def test_a_linked_work_tree(two_machines: TwoMachines) -> None:
    """Model.md 12: a linked work tree shares its own branch."""
    cluster = two_machines.cluster
    side = Machine(cluster.path.parent / "side")
    cluster.git("worktree", "add", "-q", "-b", "side", str(side.path))
    side.aexp("run", "--sp", "seed=1", "--", "true")
    put_run(cluster, 2, worktree=str(cluster.path))
    assert "to origin/side, a new branch there" in sync(side).stdout
    sync(cluster)
    assert [len(entries(machine)) for machine in (side, cluster)] == [1, 1]
    assert (side.status(), cluster.status()) == ("", "")


def test_a_shallow_clone(two_machines: TwoMachines, tmp_path: Path) -> None:
    """LED-14, trap 78: a history that is cut off too early to merge is told as that."""
    cluster = two_machines.cluster
    url = f"file://{two_machines.remote}"
    share(cluster, "a.txt", "1\n")
    cluster.git("clone", "-q", "--depth", "1", url, str(tmp_path / "shallow"))
    shallow = Machine(tmp_path / "shallow")
    shallow.git("config", "user.name", "s")
    shallow.git("config", "user.email", "s@example.org")
    put_run(shallow, 1)
    sync(shallow)
    shallow.git("reset", "-q", "--hard", "HEAD~1")
    shallow.git("commit", "-q", "--amend", "-m", "another beginning")
    done = sync(shallow, code=9)
    assert "run `git fetch --unshallow`" in done.stderr


@pytest.mark.parametrize("chosen", [False, True], ids=["as configured", "GIT_SSH_COMMAND"])
def test_ssh_asks_nothing_without_a_terminal(
    two_machines: TwoMachines, tmp_path: Path, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LED-14: no terminal, no question: ssh runs in batch mode, unless the user's own word is
    the environment's; what it says is told."""
    cluster, said = two_machines.cluster, tmp_path / "said"
    ssh = cluster.write(
        "../bin/ssh", f'#!/bin/sh\necho "$@" >> {said}\necho No entry. >&2\nexit 255\n'
    )
    ssh.chmod(0o755)
    cluster.git("config", "core.sshCommand", f"{ssh.resolve()} -i key")
    if chosen:
        monkeypatch.setenv("GIT_SSH_COMMAND", f"{ssh.resolve()} -F mine")
    cluster.git("remote", "set-url", "origin", "somewhere:project.git")
    done = sync(cluster, code=9)
    assert "error: origin cannot be fetched: No entry.\n" in done.stderr
    arguments = said.read_text("utf-8")
    assert arguments.startswith("-F mine" if chosen else "-i key -o BatchMode=yes")
    assert ("BatchMode" in arguments) is not chosen


def test_an_unreachable_remote(two_machines: TwoMachines) -> None:
    """LED-14: one line says what git said, and the ledger's commit stays."""
    cluster = two_machines.cluster
    job_id = put_run(cluster)
    cluster.git("remote", "set-url", "origin", "/nowhere/at all.git")
    done = sync(cluster, code=9)
    assert "error: origin cannot be fetched: '/nowhere/at all.git' does not appear" in done.stderr
    assert "committed 1 ledger file" in done.stdout
    assert name_of(job_id) in cluster.git("ls-tree", "-r", "--name-only", "HEAD").stdout


def test_a_remote_that_refuses(two_machines: TwoMachines) -> None:
    """LED-14: a hook of the server refuses: its word is told, nothing is retried or lost."""
    cluster = two_machines.cluster
    git_hook(two_machines.remote, "pre-receive", "echo main is protected >&2; exit 1")
    put_run(cluster)
    done = sync(cluster, code=9)
    assert "pre-receive hook declined: main is protected" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    (two_machines.remote / "hooks/pre-receive").unlink()
    assert "pushed 1 commit" in sync(cluster).stdout


def lose_races(machines: TwoMachines, times: int) -> None:
    """Let another push come first, ``times`` times, between the laptop's fetch and its push."""
    script = f"""
n=$(cat .git/lost 2>/dev/null || echo 0); n=$((n + 1)); echo $n > .git/lost
[ $n -gt {times} ] && exit 0
cd '{machines.cluster.path}' || exit 1
unset GIT_DIR GIT_INDEX_FILE GIT_PREFIX GIT_WORK_TREE
echo $n >> race.txt; git add race.txt; git commit -q -m race$n; git push -q
"""
    git_hook(machines.laptop / ".git", "pre-push", script)
    machines.laptop.git("config", "core.hooksPath", str(machines.laptop / ".git/hooks"))


def test_a_lost_push_race_is_retried(two_machines: TwoMachines) -> None:
    """LED-14: somebody else's push came first, twice; everybody's work is there in the end."""
    lose_races(two_machines, 2)
    put_run(two_machines.laptop)
    done = sync(two_machines.laptop)
    assert done.stdout.count("merged 1 commit of origin/main with 0 ledger entries") == 2
    assert "pushed" in done.stdout
    assert two_machines.laptop.read("race.txt") == "1\n2\n"


def test_the_retries_are_bounded(two_machines: TwoMachines) -> None:
    """LED-14: after ``--attempts`` it gives up, with everything committed here."""
    lose_races(two_machines, 9)
    put_run(two_machines.laptop)
    done = sync(two_machines.laptop, "--attempts", "2", code=9)
    assert "not synchronized after 2 tries" in done.stderr
    assert (two_machines.laptop / ".git/lost").read_text("utf-8") == "2\n"
    assert two_machines.laptop.status() == ""
    assert sync(two_machines.laptop, "--attempts", "0", code=2)


def test_two_at_once_in_one_clone(two_machines: TwoMachines) -> None:
    """LED-14: two synchronizations of one work tree wait for each other."""
    cluster = two_machines.cluster
    for seed in range(3):
        put_run(cluster, seed)
    done = run_aexp_together([(cluster.path, ["sync"])] * 2)
    assert [d.returncode for d in done] == [0, 0], done
    assert cluster.status() == ""
    assert cluster.git("rev-list", "--count", "@{upstream}..HEAD").stdout == "0\n"


def test_hooks(two_machines: TwoMachines) -> None:
    """LED-14: the push runs the user's pre-push hook, as any push; commit and merge run none."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    names = ("pre-commit", "commit-msg", "post-commit", "pre-merge-commit", "post-merge")
    for name in (*names, "pre-push"):
        git_hook(laptop / ".git", name, f"echo {name} >> '{laptop / '.git/ran'}'")
    put_run(cluster, 1)
    sync(cluster)
    put_run(laptop, 2)
    sync(laptop)
    assert (laptop / ".git/ran").read_text("utf-8").split() == ["pre-push"]
    git_hook(laptop / ".git", "pre-push", "echo not on Fridays >&2; exit 1")
    put_run(laptop, 3)
    assert "failed: not on Fridays" in sync(laptop, code=9).stderr


# --- stops ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reason", "prepare"), STATES.items(), ids=STATES)
def test_no_commit_can_be_made(
    installed_repo: Machine, reason: str, prepare: Callable[[Machine], None]
) -> None:
    """LED-14: in the middle of something, or without an identity, not even a file is written."""
    prepare(installed_repo)
    put_run(installed_repo)
    before = snapshot(installed_repo)
    done = sync(installed_repo, code=9)
    assert f"error: not synchronized: {reason}" in done.stderr
    assert snapshot(installed_repo) == before


def test_no_remote_and_doubtful_remotes(installed_repo: Machine) -> None:
    """LED-14: which remote is meant is not guessed."""
    machine = installed_repo
    assert "there is no remote" in sync(machine, code=9).stderr
    machine.git("remote", "add", "one", "/nowhere")
    machine.git("remote", "add", "two", "/nowhere")
    assert "hint: say which with --remote: one, two" in sync(machine, code=9).stderr
    machine.git("remote", "rename", "one", "origin")
    machine.git("config", "remote.pushDefault", "two")
    assert "pulled from origin, but pushed to two" in sync(machine, code=9).stderr


def test_no_commit_yet(repo: Machine) -> None:
    """LED-14: on a branch without a commit nothing is begun that could not be merged later."""
    repo.git("checkout", "-q", "--orphan", "fresh")
    assert "the branch fresh has no commit yet" in sync(repo, code=9).stderr


def staged(machine: Machine) -> None:
    """Change the file and stage it."""
    machine.write("train.py", "mine\n")
    machine.git("add", "train.py")


def unstaged(machine: Machine) -> None:
    """Change the file."""
    machine.write("train.py", "mine\n")


def untracked(machine: Machine) -> None:
    """Have a file of one's own where the others have one."""
    machine.write("new.py", "mine\n")


def ignored(machine: Machine) -> None:
    """Have an ignored file where the others have one."""
    machine.write(".git/info/exclude", "new.py\n")
    machine.write("new.py", "mine\n")


@pytest.mark.parametrize("diverged", [True, False], ids=["diverged", "behind"])
@pytest.mark.parametrize("change", [staged, unstaged, untracked, ignored])
def test_changes_the_merge_would_overwrite(
    two_machines: TwoMachines, change: Callable[[Machine], None], diverged: bool
) -> None:
    """LED-14: the file is named, and index, work tree and HEAD stay as they were."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    cluster.write("train.py", "theirs\n")
    share(cluster, "new.py", "theirs\n")
    cluster.git("commit", "-q", "-a", "-m", "both", check=False)
    cluster.push()
    if diverged:
        put_run(laptop)
        laptop.aexp_fast("ledger", "backfill")
    change(laptop)
    laptop.write("other.py", "staged\n")
    laptop.git("add", "other.py")
    before = snapshot(laptop)
    done = sync(laptop, code=9)
    name = "train.py" if change in (staged, unstaged) else "new.py"
    assert f"error: the merge would overwrite {name}" in done.stderr
    assert snapshot(laptop) == before


@pytest.mark.parametrize("old_git", [False, True], ids=["this git", "a git before 2.38"])
def test_a_conflict(
    two_machines: TwoMachines, old_git: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LED-14: a conflict in ``kb/`` is for a person: named, and nothing at all is changed."""
    if old_git:
        monkeypatch.setattr(sync_merge, "_write_tree", lambda *_: None)
    cluster, laptop = two_machines.cluster, two_machines.laptop
    path = "kb/research/findings/F001-a.md"
    share(cluster, path, "theirs\n")
    laptop.write(path, "ours\n")
    laptop.git("add", path)
    laptop.git("commit", "-q", "-m", "ours")
    laptop.write("train.py", "not committed\n")
    if not old_git:
        laptop.write("other.py", "staged\n")
        laptop.git("add", "other.py")
    before = snapshot(laptop)
    done = sync(laptop, code=9)
    assert f"error: conflicts with origin/main: {path}\n" in done.stderr
    assert "hint: nothing was merged; run `git pull --no-rebase origin main`" in done.stderr
    assert snapshot(laptop) == before


def test_an_old_git(two_machines: TwoMachines, monkeypatch: pytest.MonkeyPatch) -> None:
    """LED-14: before git 2.38 the merge is made in the work tree, by the same driver."""
    monkeypatch.setattr(sync_merge, "_write_tree", lambda *_: None)
    cluster, laptop = two_machines.cluster, two_machines.laptop
    job_id = put_run(cluster, 1)
    sync(cluster)
    put_run(laptop, 1, status="failed")
    laptop.write("train.py", "not committed\n")
    sync(laptop)
    assert machines_of(laptop, job_id) == {"cluster", "laptop"}
    assert laptop.status() == " M train.py\n"
    put_run(cluster, 5)
    sync(cluster)
    put_run(laptop, 6)
    laptop.git("add", "train.py")
    before = laptop.git("diff", "--cached").stdout
    assert "error: " in sync(laptop, code=9).stderr
    assert laptop.git("diff", "--cached").stdout == before


def test_a_removed_entry_and_a_changed_one(two_machines: TwoMachines) -> None:
    """LED-14: a conflict in the ledger itself is not decided either; its command is named."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    job_id = put_run(cluster, 1)
    sync(cluster), sync(laptop)
    laptop.git("rm", "-q", name_of(job_id))
    laptop.git("commit", "-q", "-m", "away with it")
    cluster.aexp_fast("tag", job_id, "--add", "best")
    sync(cluster)
    before = snapshot(laptop)
    done = sync(laptop, code=9)
    assert name_of(job_id) in done.stderr
    assert "aexp ledger resolve" in done.stderr
    assert snapshot(laptop) == before


def test_a_removed_entry_is_not_paired_with_a_new_one(two_machines: TwoMachines) -> None:
    """Trap 74: git takes a new entry for the old one under another name; the edit of the one does
    not end in the other, but stops as the conflict that it is (removed here, changed there)."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    old = put_run(cluster, 1, note="long and the same " * 50)
    cluster.aexp_fast("sync")
    laptop.aexp_fast("sync")
    cluster.git("rm", "-q", name_of(old))
    cluster.git("commit", "-q", "-m", "away with it")
    (cluster / f".runs/workspace/{old}").rename(cluster.path.parent / "away")
    new = put_run(cluster, 2, note="long and the same " * 50)
    sync(cluster)
    laptop.write("train.py", "print('more')\n")
    put_run(laptop, 1, note="long and the same " * 50, status="failed")
    laptop.aexp_fast("ledger", "backfill")
    before = snapshot(laptop)
    done = sync(laptop, code=9)
    assert "conflicts with origin/main: .aexp/ledger/" in done.stderr
    assert snapshot(laptop) == before
    assert entry_of(cluster, new)["statepoint"]["seed"] == 2


def test_a_mixture_is_never_taken(two_machines: TwoMachines) -> None:
    """Traps 72, 73: where attributes of the repository turn the driver off, git's own merge of
    two entries is refused."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    put_run(cluster, 1)
    put_run(laptop, 1, status="failed")
    laptop.write(".git/info/attributes", ".aexp/ledger/** merge=union\n")
    sync(cluster)
    laptop.aexp_fast("ledger", "backfill")
    before = snapshot(laptop)
    assert "conflicts with origin/main: .aexp/ledger/" in sync(laptop, code=9).stderr
    assert snapshot(laptop) == before


def test_a_mixture_that_git_made_is_seen(two_machines: TwoMachines) -> None:
    """Trap 73: two entries put together line by line read as JSON, with one result lost; their
    digests tell, and the machine that has the run repairs its entry."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    job_id = put_run(cluster, 1)
    put_run(laptop, 1, status="failed")
    sync(cluster)
    laptop.aexp_fast("ledger", "backfill")
    laptop.write(".git/info/attributes", ".aexp/ledger/** merge=union\n")
    laptop.pull()
    assert laptop.read(name_of(job_id)).count('"record_digest"') == 2
    assert "ledger.digest_mismatch" in laptop.aexp_fast("validate", check=False).stdout
    laptop.aexp_fast("ledger", "backfill")
    assert machines_of(laptop, job_id) >= {"laptop"}


def test_unrelated_histories(two_machines: TwoMachines) -> None:
    """LED-14: another repository's branch is not merged."""
    laptop = two_machines.laptop
    laptop.git("checkout", "-q", "--orphan", "fresh")
    laptop.git("commit", "-q", "-m", "another beginning")
    laptop.git("branch", "-q", "-M", "main")
    laptop.git("branch", "-q", "--set-upstream-to=origin/main")
    before = snapshot(laptop)
    assert "unrelated histories" in sync(laptop, code=9).stderr
    assert snapshot(laptop) == before


def test_a_merge_that_cannot_be_signed(two_machines: TwoMachines) -> None:
    """LED-07, LED-14: signing is respected; when it fails nothing is merged."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    put_run(cluster, 1)
    sync(cluster)
    put_run(laptop, 2)
    laptop.aexp_fast("ledger", "backfill")
    laptop.git("config", "commit.gpgSign", "true")
    laptop.git("config", "gpg.program", "false")
    before = snapshot(laptop)
    assert "git could not make the merge commit" in sync(laptop, code=9).stderr
    assert snapshot(laptop) == before


def test_an_unusable_entry_in_the_way(two_machines: TwoMachines) -> None:
    """LED-14: a damaged file that is not ours to mend is named with what is wrong with it."""
    cluster, laptop = two_machines.cluster, two_machines.laptop
    job_id = put_run(cluster, 1)
    sync(cluster)
    laptop.write(name_of(job_id), "{")
    before = snapshot(laptop)
    done = sync(laptop, code=9)
    assert f"the merge would overwrite {name_of(job_id)} (" in done.stderr
    assert snapshot(laptop) == before


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ("", "git gave no reason"),
        ("fatal: repository '/x' not found\n", "repository '/x' not found"),
        (
            "git@example.org: Permission denied (publickey).\nfatal: Could not read from remote"
            " repository.\n\nPlease make sure you have the correct access rights\nand the"
            " repository exists.\n",
            "git@example.org: Permission denied (publickey).",
        ),
        (
            "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://e.org/'",
            "Authentication failed for 'https://e.org/'",
        ),
    ],
)
def test_the_line_that_says_most(stderr: str, line: str) -> None:
    """LED-14: of all that git says, one line is told."""
    assert relevant_line(stderr) == line


def test_no_credential_is_told() -> None:
    """Trap 17: a URL with a token in git's complaint is shown without it."""
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    line = relevant_line(f"fatal: unable to access 'https://me:{token}@example.org/x.git/': no")
    assert "example.org/x.git" in line
    assert token not in line
