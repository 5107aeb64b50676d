"""Merging what others pushed without touching anything until the result is known (LED-14).

``git merge-tree`` merges in the object database, the merge commit is made from its result, and
the branch is then only moved forward. That last step is git's own fast-forward: it keeps staged
and unstaged changes in files the merge does not touch, and refuses as a whole where it would
overwrite one. So there is no half-done merge to abort, whatever goes wrong.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aexp import settings
from aexp.errors import GitError
from aexp.git import Git
from aexp.ledger.judge import entry_job_id
from aexp.ledger.merge_driver import DRIVER_NAME, driver_arguments, merge_files
from aexp.ledger.places import other_place
from aexp.ledger.sync_remote import Target, relevant_line
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.tree import GitTree

QUIETLY: Final = (
    f"core.hooksPath={os.devnull}", "merge.autoStash=false", "core.quotePath=false",
)  # fmt: skip
"""No hooks, as for the ledger's commit; nothing of the user's is ever stashed."""
_PROBE: Final = f"{LEDGER_DIR_REL}/{'0' * 32}.json"
_USAGE: Final = 129
"""What git exits with when it does not know an option."""
_NAMED: Final = 3
"""How many files a message names."""


@dataclass(frozen=True)
class Joined:
    """What was merged into the branch.

    Attributes:
        commits: commits of others that the branch lacked.
        entries: ledger entries that are new here or changed by them.
        fast_forward: whether no merge commit was needed.
    """

    commits: int
    entries: int
    fast_forward: bool


@dataclass(frozen=True)
class Blocked:
    """Why the branch could not be moved; nothing was changed.

    Attributes:
        paths: the changed or untracked files that would have been overwritten; empty when another
            process worked on the branch or the index meanwhile.
        reason: git's words.
    """

    paths: tuple[str, ...]
    reason: str


def join(layout: Layout, git: Git, theirs: str, target: Target) -> Joined | Blocked | None:
    """Merge the commit ``theirs`` into the current branch; None when there is nothing new in it.

    Raises:
        GitError: a person must decide (a conflict, unrelated histories); nothing was changed.
    """
    if _is_ancestor(git, theirs, "HEAD"):
        return None
    ours = git.run("rev-parse", "HEAD").text
    count = int(git.run("rev-list", "--count", f"{ours}..{theirs}").text)
    forward = _is_ancestor(git, ours, theirs)
    if forward:
        new: str | None = theirs
    else:
        new = _merge_commit(layout, git, ours, theirs, target)
    blocked = _move_to(git, new) if new else _merge_in_place(layout, git, theirs, target)
    if blocked is not None:
        return blocked
    changed = _changed(git, ours, new or "HEAD")
    entries = sum(entry_job_id(path) is not None for path in changed)
    return Joined(count, entries, forward)


def _is_ancestor(git: Git, older: str, newer: str) -> bool:
    return git.run("merge-base", "--is-ancestor", older, newer, check=False).returncode == 0


def _changed(git: Git, before: str, after: str) -> list[str]:
    """Return the files of the ledger in which two trees differ."""
    return list(
        git.nul_fields("diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after,
                       "--", LEDGER_DIR_REL)
    )  # fmt: skip


# --- the merge commit ----------------------------------------------------------------------------


def _merge_commit(layout: Layout, git: Git, ours: str, theirs: str, target: Target) -> str | None:
    """Make the merge commit and return its id; None when this git cannot do it beforehand."""
    with _merge_config(layout, git) as config:
        written = _write_tree(git, ours, theirs, config)
    if written is None:
        return None
    tree, conflicts = written
    if conflicts := conflicts or _mixtures(layout, git, ours, theirs, tree):
        raise _conflict(conflicts, target)
    sign = git.run("config", "--type=bool", "commit.gpgSign", check=False).text == "true"
    made = git.run(
        "commit-tree", tree, "-p", ours, "-p", theirs, "-m", _message(git, ours, tree, target),
        *(["-S"] if sign else []), check=False,
    )  # fmt: skip
    if made.returncode != 0:
        raise GitError(
            f"git could not make the merge commit: {relevant_line(made.stderr)}",
            hint="nothing was merged; mend this, then run `aexp sync` again",
        )
    return made.text


def _message(git: Git, ours: str, tree: str, target: Target) -> str:
    count = sum(entry_job_id(path) is not None for path in _changed(git, ours, tree))
    noun = "entry" if count == 1 else "entries"
    return f"Merge {target.name}" + (f": {count} ledger {noun}" if count else "")


def _write_tree(
    git: Git, ours: str, theirs: str, config: Sequence[str]
) -> tuple[str, list[str]] | None:
    """Merge two commits into a tree and return it with the paths in conflict.

    None when this git is too old (before 2.38).
    """
    done = git.run(
        "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs,
        config=config, check=False,
    )  # fmt: skip
    if done.returncode == _USAGE:
        return None
    if done.returncode not in (0, 1):
        hint = "nothing was changed; merge them with git once, then run `aexp sync` again"
        if git.run("rev-parse", "--is-shallow-repository", check=False).text == "true":
            hint = "this clone is shallow; run `git fetch --unshallow`, then `aexp sync` again"
        raise GitError(
            f"git cannot merge the two histories: {relevant_line(done.stderr)}", hint=hint
        )
    tree, *paths = (os.fsdecode(field) for field in done.stdout.split(b"\0") if field)
    return tree, sorted(set(paths))


def _mixtures(layout: Layout, git: Git, ours: str, theirs: str, tree: str) -> list[str]:
    """Return the entries that git merged otherwise than the driver would have.

    There are some when attributes of the repository turn the driver off: then git has put two
    results together line by line, which nobody may take for one (trap 73).
    """
    both = {*_changed(git, ours, tree)} & {*_changed(git, theirs, tree)}
    paths = sorted(path for path in both if entry_job_id(path) is not None)
    sides = [_entries(layout, commit, paths) for commit in (ours, theirs)]
    merged = GitTree(layout.root, commit=tree).read_many(paths)
    found = []
    for (path, left), (_, right), (_, result) in zip(*sides, merged, strict=True):
        if isinstance(left, bytes) and isinstance(right, bytes):
            wanted = merge_files(None, left, right, path)
            if wanted.conflict is not None or wanted.data != result:
                found.append(path)
        elif isinstance(result, bytes):
            found.append(path)
    return found


def _entries(
    layout: Layout, commit: str, paths: Sequence[str]
) -> Iterator[tuple[str, bytes | OSError]]:
    """Yield each of ``paths`` with the entry of its run, which may stand in the other layout."""
    tree = GitTree(layout.root, commit=commit)
    others = tree.read_many([other_place(path) for path in paths])
    for (path, data), (_, other) in zip(tree.read_many(paths), others, strict=True):
        yield path, other if isinstance(data, OSError) else data


def _conflict(paths: Sequence[str], target: Target) -> GitError:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    pull = f"git pull --no-rebase {target.remote} {target.remote_branch}"
    hint = f"nothing was merged; run `{pull}`, resolve, commit, then `aexp sync`"
    if any(path.startswith(LEDGER_DIR_REL) for path in paths):
        hint += " (`aexp ledger resolve` does it for the ledger)"
    return GitError(f"conflicts with {target.name}: {', '.join(paths[:_NAMED])}{more}", hint=hint)


@contextmanager
def _merge_config(layout: Layout, git: Git) -> Iterator[list[str]]:
    """Give settings with which git uses the ledger's driver, also in a clone without it."""
    config = list(driver_arguments()[1::2])
    asked = git.run("check-attr", "-z", "merge", "--", _PROBE).stdout.split(b"\0")
    if asked[2:3] == [DRIVER_NAME.encode()]:
        yield config
        return
    with tempfile.TemporaryDirectory(prefix="aexp-sync-") as folder:
        attributes = Path(folder) / "attributes"
        line = f"{LEDGER_DIR_REL}/** merge={DRIVER_NAME}\n".encode()
        attributes.write_bytes(_users_attributes(git) + b"\n" + line)
        yield [*config, f"core.attributesFile={attributes}"]


def _users_attributes(git: Git) -> bytes:
    """Return the user's own attributes for all repositories, which ours must not displace."""
    configured = git.run("config", "--type=path", "core.attributesFile", check=False)
    if configured.returncode == 0:
        path = git.folder / configured.text
    else:
        path = settings.config_home() / "git" / "attributes"
    try:
        return path.read_bytes()
    except OSError:
        return b""


# --- moving the branch ---------------------------------------------------------------------------


def _move_to(git: Git, commit: str) -> Blocked | None:
    """Move the branch, the index and the work tree forward to ``commit``, or change nothing."""
    done = git.run(
        "merge", "--ff-only", "--quiet", "--no-overwrite-ignore", commit,
        config=QUIETLY, check=False,
    )  # fmt: skip
    return None if done.returncode == 0 else _blocked(done.stderr)


def _blocked(stderr: str) -> Blocked:
    lines = stderr.splitlines()
    paths = tuple(line.strip() for line in lines if line.startswith("\t"))
    if paths or "Not possible to fast-forward" in stderr or ".lock'" in stderr:
        return Blocked(paths, relevant_line(stderr))
    raise GitError(
        f"git could not merge: {relevant_line(stderr)}",
        hint="nothing was merged; mend this, then run `aexp sync` again",
    )


def _merge_in_place(layout: Layout, git: Git, theirs: str, target: Target) -> Blocked | None:
    """Merge in the work tree, for a git before 2.38; a conflict is undone completely.

    Such a git refuses, itself, to begin beside staged changes.
    """
    with _merge_config(layout, git) as config:
        done = git.run(
            "merge", "--no-ff", "--quiet", "-m", f"Merge {target.name}", theirs,
            config=[*config, *QUIETLY], check=False,
        )  # fmt: skip
    if done.returncode == 0:
        return None
    conflicts = GitTree(layout.root).conflicted(".")
    if git.run("rev-parse", "-q", "--verify", "MERGE_HEAD", check=False).returncode == 0:
        git.run("merge", "--abort")
        raise _conflict(conflicts or ["some files"], target)
    return _blocked(done.stderr)
