"""Committing the ledger, and nothing but the ledger (model.md, decision 3; LED-07).

The user's index is left as it was: the ledger paths become tracked, everything that was staged
stays staged, and nothing else enters the commit. ``git commit --only`` does that, once the new
paths are known to the index (traps 75, 76).
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from aexp import settings
from aexp.errors import CommitSkippedError, GitError
from aexp.git import Git, GitResult
from aexp.ledger.judge import entry_job_id, judge
from aexp.ledger.store import load_usable
from aexp.repo import INDEX_DIR_REL, LEDGER_DIR_REL, Layout
from aexp.tree import WorkTree

OTHER_SHARED = ("kb", "aexp.yaml", ".gitignore", ".gitattributes", ".claude/commands", "templates")
"""Shared paths that the ledger's commit leaves alone, but that other clones need."""

_UNFINISHED = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisect",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase or am",
}
_LOCK_RETRIES = 20
_PROBE = f"{LEDGER_DIR_REL}/{'0' * 32}.json"
"""A path where an entry would stand, to ask git about."""


class LedgerCommit(Struct, frozen=True):
    """What became of the commit.

    Attributes:
        commit: the id of the new commit, or None when there was nothing to commit.
        paths: the ledger paths in it.
        skipped_files: uncommitted ledger files that are no usable entries, with the reason.
        other: other shared files that are not committed.
        unpushed: whether the branch has commits its upstream lacks.
        push_command: how to push, when the branch has no upstream.
    """

    commit: str | None
    paths: tuple[str, ...]
    skipped_files: dict[str, str]
    other: tuple[str, ...]
    unpushed: bool
    push_command: str | None


class LedgerChanges(Struct, frozen=True):
    """How the ledger and the indexes differ from HEAD.

    Attributes:
        present: the files that HEAD lacks or has differently, sorted.
        gone: the files that were removed, each with whether its removal is staged.
    """

    present: list[str]
    gone: dict[str, bool]


def why_not(layout: Layout) -> tuple[str, str] | None:
    """Return why a commit is out of the question here, with a hint; None when it is not."""
    if layout.git_dir is None:
        return "this is no git repository", "make one with `git init`"
    if settings.hook_index_file():
        return "a git hook is running", "commit again after the hook has ended"
    for name, what in _UNFINISHED.items():
        if (layout.git_dir / name).exists():
            return f"{what} is in progress", "finish or abort it, then run `aexp ledger backfill`"
    git = Git(layout.root)
    if _is_detached(git):
        return "HEAD is detached", "check out a branch, then run `aexp ledger backfill`"
    if git.run("var", "GIT_COMMITTER_IDENT", check=False).returncode != 0:
        return (
            "git does not know who you are",
            "set user.name and user.email with `git config`, then run `aexp ledger backfill`",
        )
    if _is_sparse(git, layout):
        return (
            "the ledger is outside the sparse checkout",
            f"run `git sparse-checkout add {LEDGER_DIR_REL}`",
        )
    if git.run("check-ignore", "-q", "--", _PROBE, check=False).returncode == 0:
        return (
            "a rule of git ignores the ledger",
            f"remove the rule that `git check-ignore -v {_PROBE}` names",
        )
    return None


def _is_detached(git: Git) -> bool:
    """Return whether HEAD is on no branch; anything else that git complains of is an error."""
    if git.run("symbolic-ref", "-q", "HEAD", check=False).returncode == 0:
        return False
    git.run("rev-parse", "--git-dir")
    return True


def _is_sparse(git: Git, layout: Layout) -> bool:
    """Return whether the sparse checkout leaves the ledger out."""
    if git.run("config", "--bool", "core.sparseCheckout", check=False).text != "true":
        return False
    checked = git.run("sparse-checkout", "check-rules", "-z", stdin=_PROBE.encode(), check=False)
    if checked.returncode == 0:
        return not checked.stdout
    # git before 2.41 has no check-rules: a skipped ledger path tells.
    fields = git.run("ls-files", "-t", "-z", "--", LEDGER_DIR_REL).stdout.split(b"\0")
    return any(field.startswith(b"S ") for field in fields)


def commit_ledger(
    layout: Layout, *, message: str | None = None, hooks: bool = False
) -> LedgerCommit:
    """Commit every usable ledger file that HEAD lacks or has differently.

    Args:
        layout: the repository.
        message: the commit message.
        hooks: let git run its hooks.

    Raises:
        CommitSkippedError: no commit can be made here now; the files are written all the same.
        GitError: git refused; the index is as it was.
    """
    if (reason := why_not(layout)) is not None:
        raise CommitSkippedError(f"not committed: {reason[0]}", hint=reason[1])
    git = Git(layout.root)
    paths, skipped = _uncommitted(git, layout)
    commit = None
    if paths:
        commit = _commit(git, layout, paths, message or _message(paths), hooks)
    unpushed, push = _upstream(git)
    return LedgerCommit(commit, tuple(paths), skipped, _other_shared(git), unpushed, push)


def uncommitted_entries(layout: Layout) -> list[str]:
    """Return the ledger paths that HEAD lacks or has differently; deletions are left out."""
    return ledger_changes(layout).present


def ledger_changes(layout: Layout) -> LedgerChanges:
    """Return how the files of the ledger and the indexes differ from HEAD. Asks git once.

    Raises:
        GitError: git cannot answer.
    """
    states = list(_states(Git(layout.root), LEDGER_DIR_REL, INDEX_DIR_REL))
    gone = {path: letters == "D " for letters, path in states if "D" in letters}
    return LedgerChanges(_present(layout.root, states), gone)


def is_record(path: str) -> bool:
    """Return whether a file of the ledger that is no entry is a record of another kind."""
    return "/" in path.removeprefix(f"{LEDGER_DIR_REL}/") and path.endswith(".json")


def _uncommitted(git: Git, layout: Layout) -> tuple[list[str], dict[str, str]]:
    good: list[str] = []
    skipped: dict[str, str] = {}
    # Of a conflict without markers nobody has said which side it is, or that it is both.
    unmerged = set(WorkTree(layout.root).conflicted(LEDGER_DIR_REL))
    good += [path for path in _moved_away(git, layout) if path not in unmerged]
    for path in _changed_paths(git, LEDGER_DIR_REL):
        if path in unmerged:
            skipped[path] = "it is unmerged; see `aexp ledger resolve`"
            continue
        job_id = entry_job_id(path)
        data = (layout.root / path).read_bytes()
        if job_id is None:
            if is_record(path):
                good.append(path)
            else:
                skipped[path] = "it is no ledger entry"
            continue
        entry, problems = judge(job_id, path, data)
        if entry is None or any(p.severity == "error" for p in problems):
            skipped[path] = problems[0].message
        else:
            good.append(path)
    return good, skipped


def _changed_paths(git: Git, *folders: str) -> list[str]:
    """Return paths below ``folders`` that are untracked or differ from HEAD and still exist."""
    return _present(git.folder, _states(git, *folders))


def _present(root: Path, states: Iterable[tuple[str, str]]) -> list[str]:
    found = (path for letters, path in states if "D" not in letters)
    return sorted(path for path in found if (root / path).is_file())


def _moved_away(git: Git, layout: Layout) -> list[str]:
    """Return entry files that are gone because the run's entry stands in the other layout now.

    Any other file that is gone stays in the commit: only a tombstone takes an entry back.
    """
    gone = (path for states, path in _states(git, LEDGER_DIR_REL) if "D" in states)
    return [
        path
        for path in gone
        if (job_id := entry_job_id(path)) is not None
        and not (layout.root / path).exists()
        and load_usable(layout, job_id) is not None
    ]


def _states(git: Git, *folders: str) -> Iterator[tuple[str, str]]:
    """Yield the two letters of ``git status`` for each changed path below ``folders``."""
    fields = git.nul_fields(
        "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", *folders
    )
    return ((field[:2], field[3:]) for field in fields)


def _message(paths: Sequence[str]) -> str:
    count = len({entry_job_id(path) or path for path in paths})  # a moved entry has two
    return f"aexp ledger: {count} {'entry' if count == 1 else 'entries'}"


def _commit(git: Git, layout: Layout, paths: Sequence[str], message: str, hooks: bool) -> str:
    assert layout.git_dir is not None
    index = layout.git_dir / "index"
    backup = layout.git_dir / f"aexp-index-{os.getpid()}"
    before = shutil.copy2(index, backup) if index.exists() else None
    try:
        commit = _add_and_commit(git, paths, message, hooks)
    except GitError:
        _restore(git, index, before)
        raise
    backup.unlink(missing_ok=True)
    return commit


def _add_and_commit(git: Git, paths: Sequence[str], message: str, hooks: bool) -> str:
    listed = b"\0".join(os.fsencode(path) for path in paths)
    from_stdin = ("--pathspec-from-file=-", "--pathspec-file-nul")
    # ls-files and friends take the paths literally; so must these.
    literal = ("--literal-pathspecs",)
    known = b"\0".join(os.fsencode(path) for path in _known_to_index(git, paths))
    staged = _run_locked(git, *literal, "add", *from_stdin, stdin=known)
    if staged.returncode != 0:
        raise GitError(f"git add failed: {_last_line(staged.stderr)}")
    config = [] if hooks else [f"core.hooksPath={os.devnull}"]
    options = [] if hooks else ["--no-verify"]
    interactive = sys.stdin is not None and sys.stdin.isatty()
    if not interactive:
        config.append("core.askPass=true")
    done = _run_locked(
        git,
        *literal,
        "commit",
        "--quiet",
        "--only",
        *options,
        "-m",
        message,
        *from_stdin,
        stdin=listed,
        config=config,
    )
    if done.returncode != 0:
        raise GitError(
            f"git commit failed: {_last_line(done.stderr)}",
            hint="the entries are written; commit them yourself or use --no-commit",
        )
    return git.run("rev-parse", "HEAD").text


def _known_to_index(git: Git, paths: Sequence[str]) -> Sequence[str]:
    """Return ``paths`` without those whose removal is staged already, which git would not find."""
    gone = {path for path in paths if not (git.folder / path).exists()}
    if not gone:
        return paths
    gone -= set(git.nul_fields("ls-files", "-z", "--", LEDGER_DIR_REL))
    return [path for path in paths if path not in gone]


def _restore(git: Git, index: Path, before: str | Path | None) -> None:
    """Put the index back as it was before the failed commit."""
    if before is None:
        index.unlink(missing_ok=True)
    else:
        Path(before).replace(index)


def _run_locked(git: Git, *args: str, stdin: bytes, config: Sequence[str] = ()) -> GitResult:
    """Run a command that takes the index lock, waiting while another git holds it."""
    for attempt in range(_LOCK_RETRIES):
        result = git.run(*args, stdin=stdin, config=config, check=False)
        if result.returncode == 0 or "index.lock" not in result.stderr:
            return result
        time.sleep(0.05 * (attempt + 1))
    return result


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if not line.startswith("hint:")]
    return lines[-1] if lines else "no reason given"


def _other_shared(git: Git) -> tuple[str, ...]:
    fields = git.nul_fields(
        "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", *OTHER_SHARED
    )
    return tuple(sorted(field[3:] for field in fields))


def _upstream(git: Git) -> tuple[bool, str | None]:
    """Return whether there is something to push, and how to push without an upstream."""
    ahead = git.run("rev-list", "--count", "@{upstream}..HEAD", check=False)
    if ahead.returncode == 0:
        return ahead.text != "0", None
    remotes = git.run("remote", check=False).text.splitlines()
    branch = git.run("symbolic-ref", "--short", "HEAD", check=False).text
    if not remotes:
        return False, None
    remote = "origin" if "origin" in remotes else remotes[0]
    return True, f"git push --set-upstream {remote} {branch}"
