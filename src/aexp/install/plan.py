"""What an installation would do here, as data (INS-02). Nothing in this module writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aexp.errors import UsageError
from aexp.git import Git
from aexp.install.attributes import ATTRIBUTES, overriding_rule
from aexp.install.blocks import GITATTRIBUTES, GITIGNORE, merge_block, run_store_rule
from aexp.install.changes import REMARKS, Change, read_git_file
from aexp.install.commands import COMMANDS_REL, plan_commands
from aexp.install.driver import plan_driver
from aexp.install.ignored import Hiding, hiding_rules
from aexp.install.marker import marker_content
from aexp.install.parts import PARTS, check_parts
from aexp.model.canonical import canonical_bytes
from aexp.repo import (
    DEFAULT_RUN_STORE,
    INDEX_DIR_REL,
    INSTALLED_REL,
    KB_DIR_REL,
    LEDGER_DIR_REL,
    Layout,
    run_store_is_gone,
)

_KB_FOLDERS = ("hypotheses", "experiments", "findings")
_SIGNAC_CONFIG = b"schema_version = 2\n"
_FORBIDDEN_STORES = (".git", ".aexp", ".claude", "kb", "templates")
_PROBES = {
    "the ledger": f"{LEDGER_DIR_REL}/{'0' * 32}.json",
    "the runs indexes": f"{INDEX_DIR_REL}/machine.json",
}
_SHARED = {
    ".gitignore": ".gitignore",
    ATTRIBUTES: ATTRIBUTES,
    ".claude": f"{COMMANDS_REL}/aexp-status.md",
    "kb": "kb/x.md",
}


@dataclass(frozen=True, slots=True)
class InstallOptions:
    """What the user chose; None keeps what is there, or takes the default.

    Attributes:
        machine_label: the stable name of this installation.
        force: replace files of aexp's, and a merge driver, that differ.
        run_store: the folder of the runs.
        parts: names of optional parts (:data:`aexp.install.parts.PARTS`).
        registry_root: the folder of the bytes; empty for the usual one.
    """

    machine_label: str | None = None
    force: bool = False
    run_store: str | None = None
    parts: tuple[str, ...] = ()
    registry_root: str | None = None


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """Everything an installation will do.

    Attributes:
        changes: in the order they are applied; remarks are among them.
        machine_label: the label that will hold.
        run_store: the run store that will hold, absolute.
        to_commit: the top-level paths that git will let the user commit.
    """

    changes: tuple[Change, ...]
    machine_label: str
    run_store: Path
    to_commit: tuple[str, ...]

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes without the remarks; empty when everything is in place."""
        return tuple(change for change in self.changes if change.kind not in REMARKS)


def plan_install(layout: Layout, options: InstallOptions) -> InstallPlan:
    """Return what it takes to have aexp installed in ``layout.root``.

    Raises:
        UsageError: the label or the run store cannot be used, or there is no such part.
        CorruptDataError: a configuration to add to is damaged.
        StorageError: a file that is there cannot be read.
        GitError: git cannot answer.
    """
    parts = check_parts(options.parts)
    store_text = _store_text(layout, options.run_store)
    registry = _registry_text(layout, options.registry_root)
    marker = marker_content(
        layout.installed,
        machine_label=options.machine_label,
        run_store=store_text,
        registry_root=registry,
    )
    # A linked worktree shares the main one's run store and label unless it is given its own
    # (model.md, decision 12).
    own = options.machine_label or options.run_store or registry is not None
    inherits = layout.home != layout.root and not own
    base = layout.home if inherits else layout.root
    store = Path(os.path.normpath(base / Path(marker["run_store_path"]).expanduser()))
    gitignore = _merged_gitignore(layout, store)
    shared = {**_SHARED, **{PARTS[name].path: PARTS[name].path for name in parts}}
    hidden = hiding_rules(layout, gitignore, [*_PROBES.values(), *shared.values()])
    changes = [
        *_gitignore_changes(layout, gitignore, hidden),
        *_attributes_changes(layout),
        *plan_driver(layout, force=options.force),
        *_kb_changes(layout),
        *plan_commands(layout.root / COMMANDS_REL, shown_as=COMMANDS_REL, force=options.force),
        *(change for name in parts for change in PARTS[name].plan(layout, options.force)),
    ]
    if not inherits:
        changes += _store_changes(layout, store, chosen=store_text is not None)
        changes += _registry_changes(registry)
        changes += _marker_changes(layout, marker)
    return InstallPlan(
        changes=tuple(changes),
        machine_label=marker["machine_label"],
        run_store=store,
        to_commit=tuple(name for name, probe in shared.items() if probe not in hidden),
    )


def uncommitted(layout: Layout, paths: Sequence[str], *, untracked: bool = True) -> tuple[str, ...]:
    """Return those of ``paths`` in which git sees something to commit.

    Args:
        layout: the repository.
        paths: files and folders, relative to the root; absolute ones are outside it, where git
            sees nothing.
        untracked: whether files that git does not track count.

    Raises:
        GitError: git cannot answer.
    """
    paths = [path for path in paths if not Path(path).is_absolute()]
    if not paths:
        return ()
    mode = f"--untracked-files={'all' if untracked else 'no'}"
    status = ("status", "--porcelain", "-z", mode, "--no-renames", "--")
    changed = [field[3:] for field in Git(layout.root).nul_fields(*status, *paths)]
    return tuple(
        path for path in paths if any(f == path or f.startswith(f"{path}/") for f in changed)
    )


# --- .gitignore ----------------------------------------------------------------------------------


def _merged_gitignore(layout: Layout, store: Path) -> bytes:
    inside = _inside(layout.root, store)
    rule = None
    if inside is not None and store.is_symlink():
        rule = run_store_rule(inside).rstrip("/")  # `.runs/` matches folders only
    elif inside not in (None, DEFAULT_RUN_STORE):
        rule = run_store_rule(str(inside))
    existing = read_git_file(layout.root, ".gitignore")
    text = None if existing is None else os.fsdecode(existing)
    return os.fsencode(merge_block(text, GITIGNORE, [] if rule is None else [rule]))


def _inside(root: Path, folder: Path) -> str | None:
    """Return ``folder`` relative to ``root``, through symbolic links too; None when outside."""
    for base, path in ((root, folder), (root.resolve(), folder.resolve())):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return None


def _gitignore_changes(layout: Layout, gitignore: bytes, hidden: dict[str, Hiding]) -> list[Change]:
    changes: list[Change] = []
    if gitignore != read_git_file(layout.root, ".gitignore"):
        detail = "shares the ledger, keeps runs and settings local"
        changes.append(Change("merged_gitignore", ".gitignore", detail, gitignore))
    by_rule: dict[Hiding, list[str]] = {}
    for what, probe in _PROBES.items():
        if rule := hidden.get(probe):
            by_rule.setdefault(rule, []).append(what)
    for rule, parts in by_rule.items():
        detail = (
            f"line {rule.line}, `{rule.pattern}`, hides {' and '.join(parts)} from git: "
            "delete or narrow that line"
        )
        changes.append(Change("gitignore_migration_warning", rule.source, detail))
    return changes


def _attributes_changes(layout: Layout) -> list[Change]:
    existing = read_git_file(layout.root, ATTRIBUTES)
    text = None if existing is None else os.fsdecode(existing)
    attributes = os.fsencode(merge_block(text, GITATTRIBUTES))
    changes: list[Change] = []
    if attributes != existing:
        detail = "has git merge the ledger through aexp"
        changes.append(Change("merged_gitattributes", ATTRIBUTES, detail, attributes))
    if rule := overriding_rule(layout, attributes):
        detail = (
            f"line {rule.line}, `{rule.rule}`, keeps aexp from merging the ledger: "
            "delete or narrow that line"
        )
        changes.append(Change("gitattributes_warning", rule.source, detail))
    return changes


# --- folders and the marker ----------------------------------------------------------------------


def _kb_changes(layout: Layout) -> list[Change]:
    """Keep each empty folder of artifacts in git; a folder with anything in it is the user's."""
    changes = []
    for name in _KB_FOLDERS:
        folder = layout.root / KB_DIR_REL / name
        if not folder.is_dir() or not any(folder.iterdir()):
            changes.append(Change("created", f"{KB_DIR_REL}/{name}/.gitkeep", "", b""))
    return changes


def _store_text(layout: Layout, chosen: str | None) -> str | None:
    """Return how the marker names the chosen run store: relative to the root where it can be.

    Raises:
        UsageError: it is a file, the root itself, or a folder that holds something else.
    """
    if chosen is None:
        return None
    if not chosen.strip():
        raise UsageError("the run store needs a path", hint=f"the usual one is {DEFAULT_RUN_STORE}")
    folder = Path(os.path.normpath(layout.root / Path(chosen).expanduser()))
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"the run store {chosen} is a file", hint="name a folder")
    inside = _inside(layout.root, folder)
    if inside is None:
        return chosen if chosen.startswith("~") else str(folder)
    if inside == "." or inside.split("/")[0] in _FORBIDDEN_STORES:
        raise UsageError(
            f"the run store cannot be {chosen}",
            hint=f"take a folder of its own, such as {DEFAULT_RUN_STORE}",
        )
    return inside


def _registry_text(layout: Layout, chosen: str | None) -> str | None:
    """Return how the marker names the chosen registry: absolute, or from the user's home (REG-05).

    Raises:
        UsageError: it is in the work tree, where git would see it, or a file.
    """
    if not chosen:
        return chosen
    folder = Path(os.path.normpath(layout.root / Path(chosen).expanduser()))
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"the registry {chosen} is a file", hint="name a folder")
    if _inside(layout.root, folder) is not None:
        raise UsageError(
            f"the registry cannot be {chosen}, in the work tree",
            hint="name a folder outside the repository; without one it is in the git folder",
        )
    return chosen if chosen.startswith("~") else str(folder)


def _registry_changes(registry: str | None) -> list[Change]:
    """Make the chosen folder now: one that is missing later is a disk that is not mounted."""
    if not registry or Path(registry).expanduser().is_dir():
        return []
    return [Change("created_folder", str(Path(registry).expanduser()), "the registry")]


def _store_changes(layout: Layout, store: Path, *, chosen: bool) -> list[Change]:
    """Make the folder a signac project, as signac itself lays one out (schema version 2).

    A store elsewhere that is gone is made again only when it is named again: its disk may just
    not be mounted.
    """
    shown = layout.relative(store)
    if not chosen and store == layout.run_store and run_store_is_gone(layout):
        detail = "it is not there; is its disk mounted? --run-store makes another"
        return [Change("run_store_missing", shown, detail)]
    changes = []
    if not (store / ".gitignore").exists():
        changes.append(Change("created", f"{shown}/.gitignore", "", b"*\n"))
    if not (store / ".signac" / "config").exists():
        changes.append(
            Change("initialized_runs", f"{shown}/.signac/config", "the run store", _SIGNAC_CONFIG)
        )
    if not (store / "workspace").is_dir():
        changes.append(Change("created_folder", f"{shown}/workspace"))
    return changes


def _marker_changes(layout: Layout, marker: dict[str, object]) -> list[Change]:
    own = layout.installed if layout.home == layout.root else {}
    if marker == own:
        return []
    detail = f"machine label {marker['machine_label']}"
    before = own.get("run_store_path")
    if before and before != marker["run_store_path"]:
        detail += f"; runs stay in {before}, new ones go to {marker['run_store_path']}"
    return [Change("wrote_marker", INSTALLED_REL, detail, canonical_bytes(marker))]
