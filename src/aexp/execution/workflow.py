"""Workflows: which script an execution runs, and where that script is to be found (EXE-02)."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aexp.errors import UsageError, WorkflowWarning
from aexp.execution.dirty import check_dirty
from aexp.execution.script import blob_id, find_script, script_checksum
from aexp.git import Git
from aexp.ledger.workflows import check_checksum, write_workflow
from aexp.model.credentials import redact_secrets
from aexp.repo import Layout
from aexp.runs.code_state import code_state

_SCHEME = re.compile(r"(?:https?|ssh|git)://(?:[^/@]*@)?([^/:]+)(?::\d+)?/(.+)")
_SCP = re.compile(r"(?:[^/@:]+@)?([^/:@]+):(?!/?/)(.+)")
_FOLDERS: Final = {"gitlab": "-/blob", "bitbucket": "src", "codeberg": "src/commit"}
"""What stands before the commit in the addresses of a host, by a word in its name."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A script with a name.

    Attributes:
        name: what people call it.
        workflow_type: what kind of work it does, such as ``Training``.
        description: what it is, in Markdown.
        url: where the script is to be seen: remote, commit and path; None without a remote that
            others can reach.
        checksum: the id that git gives to the script's content; of a notebook, without outputs.
        version: what ``git describe`` calls the commit, None before the first.
        path: the script, relative to the root; its bare name when it is outside.
        dirty: whether uncommitted changes were about.
        diff: the digest of those changes, or None.
    """

    name: str
    workflow_type: str
    description: str = ""
    url: str | None = None
    checksum: str = ""
    version: str | None = None
    path: str | None = None
    dirty: bool = False
    diff: str | None = None


def create_workflow(
    layout: Layout,
    name: str,
    workflow_type: str,
    description: str = "",
    *,
    url: str | None = None,
    checksum: str | None = None,
    script: str | Path | None = None,
    stacklevel: int = 1,
) -> Workflow:
    """Return the workflow of the script that is running. Nothing is written: see `add_workflow`.

    Args:
        layout: the repository.
        name: what people call it.
        workflow_type: what kind of work it does, such as ``Training``.
        description: what it is, in Markdown.
        url: where the script is to be seen, when not at the remote.
        checksum: hex digits to tell it apart by, instead of the script's.
        script: the script or notebook, when it is not the one that runs.
        stacklevel: 1 when warnings shall name the line that called this function.

    Raises:
        UsageError: the name or type is empty, or the checksum is none.
        NotFoundError: the script cannot be read.
        CorruptDataError: a notebook is none, or ``aexp.yaml`` is damaged.
        DirtyTreeError: there are uncommitted changes, and ``aexp.yaml`` refuses them.
        GitError: git failed.
    """
    if not str(name).strip() or not str(workflow_type).strip():
        raise UsageError(
            "a workflow needs a name and a type",
            hint='such as repo.create_workflow("Digits", "Training")',
        )
    code = None if layout.git_dir is None else code_state(layout)
    facts = check_dirty(layout, code=code, stacklevel=stacklevel + 1)
    found = find_script(layout) if script is None else _given(layout, Path(script))
    commit = code.commit if code is not None else None
    if checksum is not None:
        checksum = check_checksum(checksum)
    elif found is not None:
        checksum = script_checksum(found, sha256=commit is not None and len(commit) == 64)
    else:
        checksum = blob_id(f"{name}\n{workflow_type}\n".encode())
        warnings.warn(
            "there is no script here: the workflow is told apart by its name and type alone",
            WorkflowWarning,
            stacklevel=stacklevel + 1,
        )
    path = None if found is None else _relative(layout, found)
    return Workflow(
        name=str(name),
        workflow_type=str(workflow_type),
        description=str(description),
        url=url or _url(layout, commit, found, path),
        checksum=checksum,
        version=_version(layout, commit),
        path=path,
        dirty=facts.dirty,
        diff=facts.diff,
    )


def add_workflow(layout: Layout, workflow: Workflow, *, stacklevel: int = 1) -> Workflow:
    """Register a workflow in the ledger, and return it as it stands there.

    Scripts of one content are one workflow: the first registration gives it its name, type and
    description (EXE-02).

    Args:
        layout: the repository.
        workflow: what :func:`create_workflow` returned.
        stacklevel: 1 when warnings shall name the line that called this function.

    Raises:
        StorageError: the disk refused.
        CorruptDataError: the file in the ledger is damaged.
    """
    record = write_workflow(
        layout,
        check_checksum(workflow.checksum),
        name=workflow.name,
        workflow_type=workflow.workflow_type,
        description=workflow.description,
        path=workflow.path,
    )
    if record.name != workflow.name or record.workflow_type != workflow.workflow_type:
        warnings.warn(
            f"this script is known as the workflow {record.name!r} ({record.workflow_type})"
            f" already; the name {workflow.name!r} ({workflow.workflow_type}) is not recorded",
            WorkflowWarning,
            stacklevel=stacklevel + 1,
        )
    return replace(
        workflow,
        name=record.name,
        workflow_type=record.workflow_type,
        description=record.description,
        checksum=record.checksum,
    )


def _given(layout: Layout, script: Path) -> Path:
    """Return a script that was named from the working directory, or from the root."""
    return script.absolute() if script.exists() else layout.root / script


def _relative(layout: Layout, path: Path) -> str:
    resolved = path.resolve()
    inside = resolved.is_relative_to(layout.root)
    return resolved.relative_to(layout.root).as_posix() if inside else path.name


def _version(layout: Layout, commit: str | None) -> str | None:
    if commit is None:
        return None
    told = Git(layout.root).run(
        "describe", "--tags", "--always", "--abbrev=12", commit, check=False
    )
    return told.text or commit


# --- where the script is to be seen ------------------------------------------------------------


def _url(layout: Layout, commit: str | None, script: Path | None, path: str | None) -> str | None:
    if commit is None or layout.git_dir is None:
        return None
    git = Git(layout.root)
    remote = _remote_url(git)
    if remote is None:
        return None
    if path is None or script is None:
        return code_url(remote, commit, None)
    inside = script.resolve().is_relative_to(layout.root)
    known = inside and git.run("cat-file", "-e", f"{commit}:{path}", check=False).returncode == 0
    return code_url(remote, commit, path) if known else None


def _remote_url(git: Git) -> str | None:
    listed = git.run("config", "--get-regexp", r"^remote\..*\.url$", check=False).text
    urls: dict[str, str] = {}
    for line in listed.splitlines():
        key, _, url = line.partition(" ")
        urls.setdefault(key.removeprefix("remote.").removesuffix(".url"), url)
    return urls.get("origin") or next(iter(urls.values()), None)


def code_url(remote: str, commit: str, path: str | None) -> str | None:
    """Return the address of a file in a commit, without credentials.

    Args:
        remote: a URL as git has it.
        commit: the commit.
        path: the file; None gives the address of the commit.

    Returns:
        The page of the usual hosts; of others, the form that `pip` knows; None of a folder, which
        means nothing elsewhere.
    """
    found = _SCHEME.fullmatch(remote) or (None if "://" in remote else _SCP.fullmatch(remote))
    if found is None:
        return None
    host, repository = found[1].lower(), found[2].strip("/").removesuffix(".git")
    base = f"https://{host}/{repository}"
    page = next((page for word, page in _FOLDERS.items() if word in host), None)
    page = "blob" if page is None and "github" in host else page
    if page is None:
        url = f"git+{base}.git@{commit}" + ("" if path is None else f"#{quote(path)}")
    elif path is None:
        url = f"{base}/{page.replace('blob', 'tree')}/{commit}"
    else:
        url = f"{base}/{page}/{commit}/{quote(path)}"
    return redact_secrets(url, lambda kind: None)
