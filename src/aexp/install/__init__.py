"""Set up a repository: a plan that is plain data, and a loop that applies it (INS-01, INS-02)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aexp.install.access import open_for_install
from aexp.install.apply import Action, apply_plan
from aexp.install.blocks import block_merge_gitignore
from aexp.install.changes import Change
from aexp.install.commands import plan_commands
from aexp.install.plan import InstallOptions, InstallPlan, plan_install
from aexp.install.uninstall import UninstallPlan, plan_uninstall

__all__ = [
    "Action",
    "Change",
    "InstallOptions",
    "InstallPlan",
    "UninstallPlan",
    "apply_plan",
    "block_merge_gitignore",
    "install_scaffold",
    "open_for_install",
    "plan_commands",
    "plan_install",
    "plan_uninstall",
]


def install_scaffold(
    repo_root: str | Path,
    *,
    machine_label: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    run_store: str | None = None,
    parts: Sequence[str] = (),
    registry_root: str | None = None,
) -> list[Action]:
    """Install aexp in the repository that holds ``repo_root`` (INS-01 to INS-09).

    Args:
        repo_root: any folder of the repository; its root is where things are installed.
        machine_label: the stable name of this installation; kept, or the short host name.
        force: replace slash commands, and other files of aexp's, that differ from the shipped ones.
        dry_run: only tell what would be done.
        run_store: the folder of the runs, relative to the root or absolute; kept, or ``.runs``.
        parts: names of optional parts, ``ci`` or ``pre-commit`` (INS-09).
        registry_root: the folder of the bytes, outside the repository; kept, or the usual one.

    Returns:
        What was done (or would be), in order; warnings are among it.

    Raises:
        NotARepositoryError: there is no git repository.
        UsageError: the label or the run store cannot be used, or there is no such part.
        CorruptDataError: a configuration to add to is damaged.
        GitError: git refuses.
        StorageError: the disk refused; running it again completes what is missing.
    """
    layout = open_for_install(repo_root)
    options = InstallOptions(
        machine_label=machine_label,
        force=force,
        run_store=run_store,
        parts=tuple(parts),
        registry_root=registry_root,
    )
    plan = plan_install(layout, options)
    if dry_run:
        return [Action(item.kind, item.path, item.detail) for item in plan.changes]
    return apply_plan(layout, plan.changes)
