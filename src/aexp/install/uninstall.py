"""What it takes to remove an installation, as data (INS-10). Nothing in this module writes.

Only what ``aexp install`` writes goes, and only as it writes it: an edited file is the user's,
and is kept and reported. kb/, the ledger, the runs indexes and every run stay. The marker goes
last, so that a removal that was cut off is completed by the next one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aexp.errors import NotInstalledError
from aexp.git import Git
from aexp.install.attributes import ATTRIBUTES
from aexp.install.blocks import BEGIN, GITATTRIBUTES, GITIGNORE, Block, remove_block
from aexp.install.changes import REMARKS, Change, read_git_file, read_or_none
from aexp.install.commands import COMMANDS_REL, shipped_commands
from aexp.install.driver import plan_driver_removal
from aexp.install.parts import WORKFLOW_REL, shipped_workflow
from aexp.install.precommit import CONFIG_REL, plan_hook_removal
from aexp.install.removal import Removal
from aexp.repo import INDEX_DIR_REL, INSTALLED_REL, KB_DIR_REL, LEDGER_DIR_REL, Layout
from aexp.storage.atomic import TEMP_SUFFIX
from aexp.workspace.store import CONFIG_FILE, CONFIG_TEXT, RunStore

_KB_FOLDERS = ("hypotheses", "experiments", "findings")
_BLOCKS = ((ATTRIBUTES, GITATTRIBUTES), (".gitignore", GITIGNORE))
_CACHES = tuple(f"index.sqlite{suffix}" for suffix in ("", "-journal", "-wal", "-shm"))
_TRACKED = ("removed", "removed_block", "removed_hook")
_SHARED = (".gitignore", ATTRIBUTES, ".claude", KB_DIR_REL, CONFIG_REL, WORKFLOW_REL)


@dataclass(frozen=True, slots=True)
class UninstallPlan:
    """Everything a removal will do.

    Attributes:
        changes: in the order they are applied; remarks are among them.
    """

    changes: tuple[Change, ...]

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes without the remarks."""
        return tuple(change for change in self.changes if change.kind not in REMARKS)

    @property
    def to_commit(self) -> tuple[str, ...]:
        """The paths that change and that git may track, the commands as one folder."""
        paths = (change.path for change in self.pending if change.kind in _TRACKED)
        tops = (COMMANDS_REL if path.startswith(f"{COMMANDS_REL}/") else path for path in paths)
        return tuple(dict.fromkeys(tops))


def plan_uninstall(layout: Layout) -> UninstallPlan:
    """Return what it takes to have aexp removed from ``layout.root``.

    In a linked worktree that uses the main one's installation only this work tree's own files
    go; the run store, the marker and git's configuration belong to the main one.

    Raises:
        NotInstalledError: there is nothing that ``aexp install`` wrote.
        StorageError: a file cannot be read.
        GitError: git cannot answer.
    """
    removal = Removal(layout.root)
    older = _committed_before(layout)
    _remove_commands(layout, removal, older)
    _remove_workflow(layout, removal, older)
    removal.extend(plan_hook_removal(layout))
    _remove_kb_folders(layout, removal, older)
    own = layout.home == layout.root
    if own and not _others_installed(layout):
        removal.extend(plan_driver_removal(layout))
    stays = not own or _remove_store(layout, removal)
    for name, block in _BLOCKS:
        _remove_block(layout, removal, name, block)
    _remove_aexp_folder(layout, removal, remove_marker=own)
    changes = removal.changes
    if not any(change.kind not in REMARKS for change in changes):
        raise NotInstalledError(
            f"aexp is not installed in {layout.root}", hint="there is nothing to remove"
        )
    return UninstallPlan((*changes, *_visible(layout, removal, stays)))


def _committed_before(layout: Layout) -> frozenset[str]:
    """Return what HEAD holds from before the installation; nothing when that was committed."""
    git = Git(layout.root)
    block = git.run("show", "HEAD:.gitignore", check=False)
    if BEGIN.encode() in block.stdout:
        return frozenset()
    listing = git.run("ls-tree", "-r", "-z", "--name-only", "HEAD", "--", *_SHARED, check=False)
    return frozenset(os.fsdecode(name) for name in listing.stdout.split(b"\0"))


def _others_installed(layout: Layout) -> bool:
    """Tell whether another work tree of this clone has an installation of its own."""
    listing = Git(layout.root).run("worktree", "list", "--porcelain", "-z", check=False)
    if listing.returncode != 0:  # git before 2.36 has no -z here
        listing = Git(layout.root).run("worktree", "list", "--porcelain")
    fields = listing.stdout.replace(b"\n", b"\0") if b"\0" not in listing.stdout else listing.stdout
    trees = (
        Path(os.fsdecode(field.removeprefix(b"worktree ")))
        for field in fields.split(b"\0")
        if field.startswith(b"worktree ")
    )
    return any(tree != layout.root and (tree / INSTALLED_REL).exists() for tree in trees)


def _remove_commands(layout: Layout, removal: Removal, older: frozenset[str]) -> None:
    for name, content in shipped_commands().items():
        _remove_unmodified(layout, removal, f"{COMMANDS_REL}/{name}", content, older)
    removal.remove_folders(COMMANDS_REL, ".claude")


def _remove_workflow(layout: Layout, removal: Removal, older: frozenset[str]) -> None:
    _remove_unmodified(layout, removal, WORKFLOW_REL, shipped_workflow(), older)
    removal.remove_folders(".github/workflows", ".github")


def _remove_unmodified(
    layout: Layout, removal: Removal, path: str, shipped: bytes, older: frozenset[str]
) -> None:
    present = read_or_none(layout.root / path)
    if present is None or path in older:
        return
    if present.replace(b"\r\n", b"\n") == shipped:
        removal.remove(path)
    else:
        removal.remark("kept", path, "it was edited, or is of another version; delete it yourself")


def _remove_kb_folders(layout: Layout, removal: Removal, older: frozenset[str]) -> None:
    """Remove the folders that hold nothing but our ``.gitkeep``."""
    for name in _KB_FOLDERS:
        folder = f"{KB_DIR_REL}/{name}"
        keep = f"{folder}/.gitkeep"
        alone = removal.holds(folder) == {".gitkeep"}
        if alone and keep not in older and read_or_none(layout.root / keep) == b"":
            removal.remove(keep)
        removal.remove_folders(folder)
    removal.remove_folders(KB_DIR_REL, "kb")


def _remove_store(layout: Layout, removal: Removal) -> bool:
    """Remove a run store without runs; return whether there is one that stays."""
    store, shown = layout.run_store, layout.relative(layout.run_store)
    if not store.is_dir():
        return False
    ours = {".gitignore", ".signac", "workspace", ".aexp-tmp"}
    if removal.holds(shown) - ours or removal.holds(f"{shown}/workspace"):
        runs = len(RunStore(layout).ids())
        removal.remark("kept", shown, f"{runs} run{'' if runs == 1 else 's'} and what is with them")
        return True
    if read_or_none(store / CONFIG_FILE) == CONFIG_TEXT:
        removal.remove(f"{shown}/{CONFIG_FILE}")
    if read_or_none(store / ".gitignore") == b"*\n":
        removal.remove(f"{shown}/.gitignore")
    _remove_temporary(removal, f"{shown}/.aexp-tmp")
    removal.remove_folders(f"{shown}/.signac", f"{shown}/workspace", shown)
    return False


def _remove_block(layout: Layout, removal: Removal, name: str, block: Block) -> None:
    existing = read_git_file(layout.root, name)
    if existing is None:
        return
    text = os.fsdecode(existing)
    left = remove_block(text, block)
    if left is None:
        removal.remove(name)
    elif left != text:
        removal.write(Change("removed_block", name, "", os.fsencode(left)))


def _remove_aexp_folder(layout: Layout, removal: Removal, *, remove_marker: bool) -> None:
    for name in _CACHES:
        removal.remove_if_there(f".aexp/{name}")
    locks = layout.locks_dir
    if locks.is_dir():
        for lock in sorted(path for path in locks.iterdir() if path.is_file()):
            removal.remove(layout.relative(lock))
    # Writing a file without its block makes `.aexp/tmp`, where it was missing.
    writes = any(change.content is not None for change in removal.changes)
    _remove_temporary(removal, ".aexp/tmp", made_meanwhile=writes)
    if removal.holds(".aexp/pending"):
        detail = "promotions that were cut off; `aexp install` and `aexp recover` finish them"
        removal.remark("kept", ".aexp/pending", detail)
    removal.remove_folders(".aexp/locks", ".aexp/pending", LEDGER_DIR_REL, INDEX_DIR_REL)
    if remove_marker:
        removal.remove_if_there(INSTALLED_REL)
    removal.remove_folders(".aexp", made_meanwhile=writes)


def _remove_temporary(removal: Removal, folder: str, *, made_meanwhile: bool = False) -> None:
    for name in sorted(removal.holds(folder)):
        if name.endswith(TEMP_SUFFIX):
            removal.remove(f"{folder}/{name}")
    removal.remove_folders(folder, made_meanwhile=made_meanwhile)


def _visible(layout: Layout, removal: Removal, store_stays: bool) -> Iterator[Change]:
    """Yield a warning for each thing that stays and that the block has hidden from git."""
    stays = []
    store = layout.run_store
    if store_stays and store.is_relative_to(layout.root):
        own = read_or_none(store / ".gitignore")
        if store.is_symlink() or own is None or b"*" not in own.split():
            stays.append(layout.relative(store))
    known = {"ledger", "runs-index"}
    stays += [f".aexp/{name}" for name in sorted(removal.holds(".aexp") - known)]
    for path in stays:
        detail = "it stays, and git sees it now: put it into .gitignore, or move it away"
        yield Change("visible_to_git", path, detail)
