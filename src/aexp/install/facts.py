"""What ``aexp doctor`` knows about an installation; gathering it writes nothing (INS-10)."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from aexp.errors import AexpError, CorruptDataError, GitError
from aexp.git import Git
from aexp.install.attributes import ATTRIBUTES, PROBE, Overriding, merge_attribute, overriding_rule
from aexp.install.blocks import GITATTRIBUTES, GITIGNORE, Block, merge_block
from aexp.install.changes import read_git_file
from aexp.install.commands import COMMANDS_REL, plan_commands
from aexp.install.driver import configured_command
from aexp.install.ignored import Hiding, hiding_rules
from aexp.ledger.merge_driver import DRIVER_NAME
from aexp.repo import DEFAULT_RUN_STORE, Layout, open_layout, run_store_is_gone
from aexp.runs.overview import Overview, overview
from aexp.runs.recover import LEFTOVER_AGE_S
from aexp.storage.atomic import STALE_S, TEMP_SUFFIX
from aexp.workspace.store import CONFIG_FILE, RunStore

_AGENT_SETTINGS = (".claude/settings.json", ".claude/settings.local.json")
_OLD_HOOK = re.compile(r"-m\s+aexp\.hooks\.\w")
_SCHEMA = re.compile(r"""^\s*schema_version\s*=\s*["']?(\w+)["']?\s*$""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """The run store.

    Attributes:
        shown: where it is, as messages show it.
        gone: it was set up outside the repository and is not there now.
        exists: the folder is there.
        writable: this user may make files in it.
        schema: the version of signac's layout; empty when it is no signac project.
        visible: git does not ignore it.
        left_behind: runs in the usual place that are not in this store.
    """

    shown: str
    gone: bool
    exists: bool
    writable: bool
    schema: str
    visible: bool
    left_behind: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the checks look at.

    Attributes:
        git_version: such as ``(2, 39, 5)``; empty when git does not say.
        installed: whether there is a marker, here or in the main work tree.
        inherited: whether it is the main work tree's.
        label: the machine label.
        marker_problem: what is wrong with the marker; empty when nothing is.
        ignore_block: whether ``.gitignore`` has the block as it should be.
        hiding: the rule that hides the ledger, or None.
        attributes_block: whether ``.gitattributes`` has the block as it should be.
        merge: which merge git uses for the ledger.
        overriding: the rule that takes the ledger from the driver, or None.
        driver: the command git would run; None without one.
        program: where ``aexp`` is on PATH; None when it is not.
        program_folder: the folder of the running ``aexp`` program; empty when it has none.
        commands_missing: slash commands that are not there.
        commands_differ: slash commands that are not as shipped.
        old_hooks: lines of an agent's settings that start hooks of 0.6.x, by file.
        store: the run store.
        ledger_writable: whether this user may write the ledger.
        temporary: files that killed processes left.
        unfinished: run folders whose creation was cut off.
        identity: whether git knows who commits.
        overview: runs, ledger and sharing, as ``aexp status`` sees them; None when they cannot
            be read.
        unreadable: why not.
    """

    git_version: tuple[int, ...]
    installed: bool
    inherited: bool
    label: str
    marker_problem: str
    ignore_block: bool
    hiding: Hiding | None
    attributes_block: bool
    merge: str
    overriding: Overriding | None
    driver: str | None
    program: str | None
    program_folder: str
    commands_missing: int
    commands_differ: int
    old_hooks: Mapping[str, tuple[int, ...]]
    store: StoreFacts
    ledger_writable: bool
    temporary: int
    unfinished: int
    identity: bool
    overview: Overview | None
    unreadable: str


def gather(layout: Layout) -> Facts:
    """Look at the installation of ``layout.root``.

    Raises:
        GitError: git cannot answer.
        StorageError: a file cannot be read.
    """
    git = Git(layout.root)
    ignore, attributes = _git_file(layout, ".gitignore"), _git_file(layout, ATTRIBUTES)
    merge = merge_attribute(layout, attributes or b"")
    commands = plan_commands(layout.root / COMMANDS_REL, shown_as=COMMANDS_REL)
    seen, unreadable = _overview(layout)
    program = Path(sys.executable).with_name("aexp")
    return Facts(
        git_version=_version(git.run("version").text),
        installed=layout.is_installed,
        inherited=layout.home != layout.root,
        label=layout.machine_label,
        marker_problem=_marker_problem(layout),
        ignore_block=_has_block(ignore, GITIGNORE),
        hiding=hiding_rules(layout, ignore or b"", [PROBE]).get(PROBE),
        attributes_block=_has_block(attributes, GITATTRIBUTES),
        merge=merge,
        overriding=None if merge == DRIVER_NAME else overriding_rule(layout, attributes or b""),
        driver=configured_command(layout),
        program=shutil.which("aexp"),
        program_folder=str(program.parent) if program.is_file() else "",
        commands_missing=sum(change.kind == "installed_command" for change in commands),
        commands_differ=sum(change.kind == "kept_command" for change in commands),
        old_hooks=_old_hooks(layout.root),
        store=_store(layout, git),
        ledger_writable=_writable(layout.ledger_dir),
        temporary=_temporary(layout.tmp_dir) + _temporary(layout.run_store / ".aexp-tmp"),
        unfinished=sum(_age(path) > LEFTOVER_AGE_S for path in RunStore(layout).leftovers()),
        identity=git.run("var", "GIT_COMMITTER_IDENT", check=False).returncode == 0,
        overview=seen,
        unreadable=unreadable,
    )


def _git_file(layout: Layout, name: str) -> bytes | None:
    """Return one of git's files; one that git would not read is none."""
    path = layout.root / name
    return None if path.is_symlink() or path.is_dir() else read_git_file(layout.root, name)


def _has_block(content: bytes | None, block: Block) -> bool:
    if content is None:
        return False
    text = os.fsdecode(content)
    return merge_block(text, block) == text


def _marker_problem(layout: Layout) -> str:
    try:
        open_layout(layout.root)
    except CorruptDataError as error:
        return error.message
    return ""


def _overview(layout: Layout) -> tuple[Overview | None, str]:
    try:
        return overview(layout), ""
    except GitError:
        raise
    except (AexpError, OSError) as error:
        return None, str(error)


def _store(layout: Layout, git: Git) -> StoreFacts:
    store = layout.run_store
    shown = layout.relative(store)
    visible = False
    if store.is_relative_to(layout.root):
        # Git does not look behind a link: there the link itself must be ignored.
        probe = shown if store.is_symlink() else f"{shown}/workspace/x"
        visible = git.run("check-ignore", "-q", "--", probe, check=False).returncode != 0
    return StoreFacts(
        shown=shown,
        gone=run_store_is_gone(layout),
        exists=store.is_dir(),
        writable=_writable(layout.workspace),
        schema=_schema(store / CONFIG_FILE),
        visible=visible,
        left_behind=_left_behind(layout),
    )


def _left_behind(layout: Layout) -> int:
    """Count the runs that stayed in the usual place when the run store was changed."""
    usual = layout.home / DEFAULT_RUN_STORE
    if usual == layout.run_store or not (usual / CONFIG_FILE).is_file():
        return 0
    before = RunStore(replace(layout, run_store=usual)).ids()
    return len(set(before) - set(RunStore(layout).ids()))


def _old_hooks(root: Path) -> dict[str, tuple[int, ...]]:
    """Find what 0.6.x wrote into an agent's settings: calls of modules that only it has."""
    found: dict[str, tuple[int, ...]] = {}
    for name in _AGENT_SETTINGS:
        try:
            lines = (root / name).read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        numbers = tuple(n for n, line in enumerate(lines, 1) if _OLD_HOOK.search(line))
        if numbers:
            found[name] = numbers
    return found


def _schema(config: Path) -> str:
    try:
        found = _SCHEMA.search(config.read_text("utf-8", "replace"))
    except OSError:
        return ""
    return found.group(1) if found else ""


def _writable(folder: Path) -> bool:
    """Tell whether this user may make files in ``folder``, or may make it."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _temporary(folder: Path) -> int:
    """Count temporary files that no living process can still be writing."""
    try:
        names = [path for path in folder.iterdir() if path.name.endswith(TEMP_SUFFIX)]
    except OSError:
        return 0
    return sum(_age(path) > STALE_S for path in names)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in found.groups() if part) if found else ()
