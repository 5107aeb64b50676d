"""What an installation would do here, as data (INS-02). Nothing in this module writes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from aexp.errors import CorruptDataError, GitError, UsageError
from aexp.git import Git
from aexp.install.blocks import block_merge_gitignore, run_store_rule
from aexp.install.changes import REMARKS, Change, read_or_none
from aexp.install.commands import COMMANDS_REL, plan_commands
from aexp.install.ignored import Hiding, hiding_rules
from aexp.install.marker import marker_content
from aexp.model.canonical import canonical_bytes
from aexp.repo import (
    DEFAULT_RUN_STORE,
    INDEX_DIR_REL,
    INSTALLED_REL,
    KB_DIR_REL,
    LEDGER_DIR_REL,
    Layout,
    default_machine_label,
    open_layout,
)

_KB_FOLDERS = ("hypotheses", "experiments", "findings")
_SIGNAC_CONFIG = b"schema_version = 2\n"
_FORBIDDEN_STORES = (".git", ".aexp", ".claude", "kb", "templates")
_PROBES = {
    "the ledger": f"{LEDGER_DIR_REL}/{'0' * 32}.json",
    "the runs indexes": f"{INDEX_DIR_REL}/machine.json",
}
_SHARED = {".gitignore": ".gitignore", ".claude": f"{COMMANDS_REL}/aexp-status.md", "kb": "kb/x.md"}


@dataclass(frozen=True, slots=True)
class InstallOptions:
    """What the user chose; None keeps what is there, or takes the default."""

    machine_label: str | None = None
    force: bool = False
    run_store: str | None = None


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


def open_for_install(start: str | Path | None = None) -> Layout:
    """Return the layout of the repository around ``start``, even when its marker is damaged.

    Raises:
        NotARepositoryError: there is no git repository.
    """
    try:
        return open_layout(start)
    except CorruptDataError:
        git = Git(Path(start or Path.cwd()))
        root, git_dir, common_dir = (
            Path(git.run("rev-parse", "--path-format=absolute", what).text)
            for what in ("--show-toplevel", "--git-dir", "--git-common-dir")
        )
        return Layout(
            root=root,
            git_dir=git_dir,
            common_dir=common_dir,
            home=root,
            run_store=root / DEFAULT_RUN_STORE,
            machine_label=default_machine_label(),
            installed={},
        )


def plan_install(layout: Layout, options: InstallOptions) -> InstallPlan:
    """Return what it takes to have aexp installed in ``layout.root``.

    Raises:
        UsageError: the label or the run store cannot be used.
        StorageError: a file that is there cannot be read.
    """
    store_text = _store_text(layout, options.run_store)
    marker = marker_content(
        layout.installed, machine_label=options.machine_label, run_store=store_text
    )
    # A linked worktree shares the main one's run store and label unless it is given its own
    # (model.md, decision 12).
    inherits = layout.home != layout.root and options == InstallOptions(force=options.force)
    base = layout.home if inherits else layout.root
    store = Path(os.path.normpath(base / Path(marker["run_store_path"]).expanduser()))
    gitignore = _merged_gitignore(layout, store)
    hidden, skipped = _hidden(layout, gitignore)
    changes = [
        *_gitignore_changes(layout, gitignore, hidden),
        *([skipped] if skipped else []),
        *_kb_changes(layout),
        *plan_commands(layout.root / COMMANDS_REL, shown_as=COMMANDS_REL, force=options.force),
    ]
    if not inherits:
        changes += _store_changes(layout, store)
        changes += _marker_changes(layout, marker)
    return InstallPlan(
        changes=tuple(changes),
        machine_label=marker["machine_label"],
        run_store=store,
        to_commit=tuple(name for name, probe in _SHARED.items() if probe not in hidden),
    )


# --- .gitignore ----------------------------------------------------------------------------------


def _merged_gitignore(layout: Layout, store: Path) -> bytes:
    existing = read_or_none(layout.root / ".gitignore") or b""
    inside = _inside(layout.root, store)
    rule = None
    if inside is not None and store.is_symlink():
        rule = run_store_rule(inside).rstrip("/")  # `.runs/` matches folders only
    elif inside not in (None, DEFAULT_RUN_STORE):
        rule = run_store_rule(str(inside))
    text = block_merge_gitignore(os.fsdecode(existing), run_store_rule=rule)
    return os.fsencode(text)


def _inside(root: Path, folder: Path) -> str | None:
    """Return ``folder`` relative to ``root``, through symbolic links too; None when outside."""
    for base, path in ((root, folder), (root.resolve(), folder.resolve())):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return None


def _gitignore_changes(layout: Layout, gitignore: bytes, hidden: dict[str, Hiding]) -> list[Change]:
    changes: list[Change] = []
    if gitignore != read_or_none(layout.root / ".gitignore"):
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


def _hidden(layout: Layout, gitignore: bytes) -> tuple[dict[str, Hiding], Change | None]:
    try:
        return hiding_rules(layout, gitignore, [*_PROBES.values(), *_SHARED.values()]), None
    except GitError as error:
        detail = f"could not ask git whether another rule hides the ledger ({error.message})"
        return {}, Change("gitignore_check_skipped", ".gitignore", detail)


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


def _store_changes(layout: Layout, store: Path) -> list[Change]:
    """Make the folder a signac project, as signac itself lays one out (schema version 2)."""
    shown = layout.relative(store)
    changes = []
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
