"""Which registry a repository uses, and what the repository is called in it (REG-05)."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from aexp import settings
from aexp.errors import CorruptDataError
from aexp.registry.store import Registry
from aexp.repo import INSTALLED_REL, Layout
from aexp.storage.atomic import write_new

_ID = re.compile(r"[0-9a-f]{16}")


def registry_root(layout: Layout, root: str | Path | None = None) -> Path:
    """Return the registry's root: ``root``, the variable's, the installation's or the usual place.

    A relative ``root`` counts from the working directory, the others from the repository's root,
    so that one repository has one registry whatever folder a command starts in.

    Raises:
        CorruptDataError: ``registry_root`` in the installation is no text.
    """
    if root is not None and str(root):
        return Path(os.path.abspath(_expanded(Path(root))))
    configured = settings.registry_root() or layout.installed.get("registry_root")
    if not configured:
        return _shared_folder(layout) / "registry"
    if not isinstance(configured, str):
        raise CorruptDataError(
            f"registry_root in {INSTALLED_REL} is no path",
            hint="run `aexp install --yes --registry-root PATH`",
        )
    return Path(os.path.normpath(layout.home / _expanded(Path(configured))))


def open_registry(layout: Layout, root: str | Path | None = None) -> Registry:
    """Return the registry of a repository; nothing on the disk is touched.

    Args:
        layout: of the repository.
        root: another place, or None for the one that is set or usual.
    """
    chosen = bool(root) or settings.registry_root() is not None
    installed = not chosen and bool(layout.installed.get("registry_root"))
    return Registry(registry_root(layout, root), must_be_there=installed)


def repository_id(layout: Layout) -> str:
    """Return the 16 hex digits that tell this repository from others in a shared registry.

    They are drawn at the first call, and shared by all worktrees.

    Raises:
        CorruptDataError: the file that holds them is damaged.
        StorageError: it cannot be written.
    """
    path = _shared_folder(layout) / "repository-id"
    for _ in range(2):
        try:
            found = path.read_text("ascii", "replace").strip()
        except FileNotFoundError:
            write_new(path, f"{secrets.token_hex(8)}\n".encode())
            continue
        if _ID.fullmatch(found):
            return found
        break
    raise CorruptDataError(
        f"{path} holds no repository id",
        hint="remove it to draw a new one; the bytes of earlier runs then keep the old one",
    )


def known_repository_id(layout: Layout) -> str | None:
    """Return the repository's id, None when none was drawn yet; nothing is written.

    Raises:
        CorruptDataError: the file that holds it is damaged.
    """
    return repository_id(layout) if (_shared_folder(layout) / "repository-id").exists() else None


def run_ref(layout: Layout, job_id: str) -> str:
    """Return the name of the ref that reaches the bytes of a run."""
    return f"run/{repository_id(layout)}/{job_id}"


def outputs_ref(layout: Layout, job_id: str) -> str:
    """Return the name of the ref that reaches what an execution has published."""
    return f"outputs/{repository_id(layout)}/{job_id}"


def dataset_ref(layout: Layout, name: str, version: str) -> str:
    """Return the name of the ref that reaches the bytes of one version of a dataset."""
    return f"dataset/{repository_id(layout)}/{name}/{version}"


def _shared_folder(layout: Layout) -> Path:
    """Return the folder of aexp that all worktrees share."""
    if layout.common_dir is None:
        return layout.home / ".aexp"
    return layout.common_dir / "aexp"


def _expanded(path: Path) -> Path:
    """Return ``path`` with a leading ``~`` resolved, unchanged where there is no such user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path
