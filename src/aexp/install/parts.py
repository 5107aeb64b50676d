"""The optional parts of an installation, asked for by name with ``--with`` (INS-09)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from aexp.errors import UsageError
from aexp.install.changes import Change, read_or_none
from aexp.install.precommit import CONFIG_REL, plan_hook
from aexp.repo import Layout

WORKFLOW_REL = ".github/workflows/aexp-validate.yml"


@dataclass(frozen=True, slots=True)
class Part:
    """One optional part.

    Attributes:
        summary: what it is, for ``--help``.
        path: the file it is in, relative to the root.
        plan: given the layout and whether to replace edited files, returns the changes.
    """

    summary: str
    path: str
    plan: Callable[[Layout, bool], tuple[Change, ...]]


def check_parts(names: Sequence[str]) -> tuple[str, ...]:
    """Return ``names`` once each, in the order of :data:`PARTS`.

    Raises:
        UsageError: there is no part of that name.
    """
    for name in names:
        if name not in PARTS:
            raise UsageError(
                f"there is no part {name!r}", hint=f"--with takes one of: {', '.join(PARTS)}"
            )
    return tuple(name for name in PARTS if name in names)


def shipped_workflow() -> bytes:
    """Return the workflow that ``--with ci`` writes."""
    return (resources.files("aexp.install") / "templates" / "aexp-validate.yml").read_bytes()


def plan_workflow(layout: Layout, force: bool) -> tuple[Change, ...]:
    """Return what it takes to have GitHub run ``aexp validate``.

    A workflow that differs is a user's own edit, or an older version: it is kept, and reported,
    unless ``force`` (INS-02).

    Raises:
        StorageError: the file cannot be read.
    """
    wanted, present = shipped_workflow(), read_or_none(layout.root / WORKFLOW_REL)
    if present is None:
        return (Change("created", WORKFLOW_REL, "runs aexp validate on GitHub", wanted),)
    if present.replace(b"\r\n", b"\n") == wanted:
        return ()
    if force:
        return (Change("refreshed", WORKFLOW_REL, "", wanted),)
    return (Change("kept", WORKFLOW_REL, "differs; --force replaces it"),)


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "ci": Part("a GitHub workflow that validates", WORKFLOW_REL, plan_workflow),
        "pre-commit": Part(
            "a hook that validates before each commit",
            CONFIG_REL,
            lambda layout, _force: plan_hook(layout),
        ),
    }
)
"""Every part by its name."""
