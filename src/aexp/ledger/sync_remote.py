"""The other side of ``aexp sync``: which branch of which remote, fetching it, pushing to it."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from aexp import settings
from aexp.errors import GitError, NotFoundError
from aexp.git import Git
from aexp.ledger.commit import why_not
from aexp.model.credentials import redact_secrets
from aexp.repo import Layout

_FETCHED: Final = "refs/worktree/aexp-sync"
"""Where the fetched commit is kept for a moment; each work tree has its own."""

_RACES: Final = (
    "fetch first", "non-fast-forward", "stale info", "failed to update ref", "cannot lock ref",
    "failed to lock", "incorrect old value", "reference already exists",
    "remote ref updated since checkout",
)  # fmt: skip
"""What git says of a push when somebody else's came first."""

_SAYS_NOTHING: Final = re.compile(
    r"hint:|warning:|To |Please make sure|and the repository exists|error: failed to push some refs"
    r"|fatal: Could not read from remote repository|fatal: the remote end hung up|Aborting"
)
_STATUS: Final = re.compile(r"\[[^]]*\] ?\((?P<reason>.*)\)")


@dataclass(frozen=True)
class Target:
    """Where a branch is shared.

    Attributes:
        branch: the local branch.
        remote: the remote's name.
        remote_branch: the branch there.
        has_upstream: whether git knows that they belong together.
        chosen: whether the user named the remote.
    """

    branch: str
    remote: str
    remote_branch: str
    has_upstream: bool
    chosen: bool

    @property
    def name(self) -> str:
        """How messages call it, such as ``origin/main``."""
        return f"{self.remote}/{self.remote_branch}"


def find_target(layout: Layout, remote: str | None = None) -> Target:
    """Return where the current branch is shared. Looks only at this clone.

    Args:
        layout: the repository.
        remote: the remote to use; the branch's own when None, else ``origin`` or the only one.

    Raises:
        NotFoundError: there is no remote of that name.
        GitError: a person must decide first (no branch, an unfinished merge, no remote, …).
    """
    if (reason := why_not(layout)) is not None:
        hint = reason[1].replace("aexp ledger backfill", "aexp sync")
        raise GitError(f"not synchronized: {reason[0]}", hint=hint)
    git = Git(layout.root)
    branch = git.run("symbolic-ref", "--short", "HEAD").text
    if git.run("rev-parse", "-q", "--verify", "HEAD", check=False).returncode != 0:
        raise GitError(
            f"not synchronized: the branch {branch} has no commit yet",
            hint="make the first commit, or `git pull` one",
        )
    remotes = git.run("remote").text.splitlines()
    if not remotes:
        raise GitError(
            "not synchronized: there is no remote",
            hint="add one with `git remote add origin URL`",
        )
    own, merge = _config(git, f"branch.{branch}.remote"), _config(git, f"branch.{branch}.merge")
    name = _choose(git, branch, remote, own, remotes)
    linked = bool(merge) and name == own
    there = merge.removeprefix("refs/heads/") if linked else branch
    return Target(branch, name, there, bool(own and merge), remote is not None)


def _config(git: Git, name: str) -> str:
    return git.run("config", "--get", name, check=False).text


def _choose(git: Git, branch: str, wanted: str | None, own: str, remotes: list[str]) -> str:
    if wanted is not None:
        if wanted not in remotes:
            raise NotFoundError(
                f"there is no remote {wanted!r}", hint=f"there are: {', '.join(remotes)}"
            )
        return wanted
    name = own if own in remotes else ""
    if not name and not own:
        name = "origin" if "origin" in remotes else remotes[0] if len(remotes) == 1 else ""
    if not name:
        raise GitError(
            f"not synchronized: it is not clear which remote the branch {branch} belongs to",
            hint=f"say which with --remote: {', '.join(remotes)}",
        )
    pushed_to = _config(git, f"branch.{branch}.pushRemote") or _config(git, "remote.pushDefault")
    if pushed_to and pushed_to != name:
        raise GitError(
            f"not synchronized: {branch} is pulled from {name}, but pushed to {pushed_to}",
            hint=f"say with which to synchronize: --remote {pushed_to}, or --remote {name}",
        )
    return name


def fetch(git: Git, target: Target) -> str | None:
    """Fetch the branch and return its commit; None when the remote has no such branch.

    Raises:
        GitError: the remote cannot be reached, or refuses.
    """
    done = git.run(
        "fetch", "--quiet", "--no-recurse-submodules", target.remote,
        f"+refs/heads/{target.remote_branch}:{_FETCHED}",
        config=_unattended(git), check=False,
    )  # fmt: skip
    if done.returncode == 0:
        tip = git.run("rev-parse", _FETCHED).text
        git.run("update-ref", "-d", _FETCHED)
        return tip
    if "couldn't find remote ref" in done.stderr:
        _refuse_deleted(git, target)
        return None
    raise GitError(
        f"{target.remote} cannot be fetched: {relevant_line(done.stderr)}",
        hint="nothing is lost: the ledger is committed here; run `aexp sync` again later",
    )


def _refuse_deleted(git: Git, target: Target) -> None:
    """Stop when the remote had the branch once: pushing would undo that somebody removed it."""
    known = git.run("rev-parse", "-q", "--verify", f"refs/remotes/{target.name}", check=False)
    if known.returncode == 0:
        raise GitError(
            f"{target.name} is gone from the remote",
            hint=f"switch to a branch that is there, or push this one again:"
            f" `git push {target.remote} {target.branch}:{target.remote_branch}`",
        )


def push(git: Git, target: Target) -> str | None:
    """Push the branch; None when it is there, else the reason why another push came first.

    A branch that is new at the remote becomes the upstream, unless there is one. The user's
    pre-push hook runs, as for every push (it may be what uploads large files).

    Raises:
        GitError: the remote cannot be reached, or refuses; the commits stay here.
    """
    link = [] if target.has_upstream else ["--set-upstream"]
    spec = f"refs/heads/{target.branch}:refs/heads/{target.remote_branch}"
    done = git.run(
        "push", "--porcelain", *link, target.remote, spec, config=_unattended(git), check=False
    )
    if done.returncode == 0:
        return None
    refused = [line for line in done.text.splitlines() if line.startswith("!\t")]
    found = _STATUS.search(refused[0]) if refused else None
    reason = found["reason"] if found else relevant_line(done.stderr)
    if refused and any(race in reason for race in _RACES):
        return reason
    said = [line for line in done.stderr.splitlines() if line.startswith("remote: ")]
    if found and said:
        reason = f"{reason}: {relevant_line(said[-1])}"
    raise GitError(
        f"the push to {target.name} failed: {redact_secrets(reason, _ignore)}",
        hint="nothing is lost: the commits are here; `aexp sync` again when this is mended",
    )


def relevant_line(stderr: str) -> str:
    """Return the line of git's complaint that says most, without a secret in it."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if not _SAYS_NOTHING.match(line)] or lines
    if not telling:
        return "git gave no reason"
    marked = [line for line in telling if line.startswith(("fatal: ", "error: "))]
    line = (marked or telling)[-1]
    for prefix in ("remote: ", "fatal: ", "error: "):
        line = line.removeprefix(prefix)
    return redact_secrets(line, _ignore)


def _ignore(_kind: str) -> None:
    """Redaction tells what it found; here nobody asks."""


def _unattended(git: Git) -> list[str]:
    """Return settings with which nothing asks for a password where nobody can answer."""
    if sys.stdin is not None and sys.stdin.isatty():
        return []
    config = ["core.askPass=true"]
    command = _config(git, "core.sshCommand") or "ssh"
    try:
        program = PurePath(shlex.split(command)[0]).name
    except (ValueError, IndexError):
        program = ""
    # The variables are the user's word, and would be overruled or overrule.
    if program == "ssh" and not any(map(settings.is_set, ("GIT_SSH", "GIT_SSH_COMMAND"))):
        config.append(f"core.sshCommand={command} -o BatchMode=yes")
    return config
