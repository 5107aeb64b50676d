"""Which commands there are, and in which modules."""

from __future__ import annotations

import importlib

from aexp.cli.declare import Command, Group

PANELS: dict[str, dict[str, tuple[str, ...]]] = {
    "Setting up": {
        "install": ("install", "install-slash-commands"),
        "uninstall": ("uninstall",),
    },
    "Hypotheses, experiments, findings": {
        "artifacts": ("new-hypothesis", "new-experiment", "new-finding"),
        "kb": ("kb",),
    },
    "Runs": {
        "runs": (
            *("new-run", "run", "list-runs", "show-run", "list-batches", "link"),
            "recover",
        ),
        "query": ("diff",),
        "annotate": ("tag", "note", "bind-tracker"),
    },
    "Sweeps and the queue": {
        "sweep": ("sweep",),
        "queue": ("queue",),
        "run_queued": ("run-queued",),
    },
    "Executions and data": {
        "exec": ("exec", "exec-notebook"),
        "execution": ("execution", "runs"),
        "dataset": ("dataset",),
        "feature": ("feature",),
        "asset": ("asset",),
    },
    "Sessions and bytes": {"session": ("session",), "registry": ("registry",)},
    "Sharing": {
        "sharing": ("sync",),
        "transfer": ("push", "pull"),
        "ledger": ("ledger",),
        "status": ("status",),
    },
    "Checking": {"validate": ("validate", "runs-export-index"), "doctor": ("doctor",)},
}
"""The modules with commands, and the commands of each, under the headings of the help."""


def load(module: str) -> Group:
    """Return the commands of one of the modules in :data:`PANELS`."""
    found = Group()
    importlib.import_module(f"aexp.cli.{module}").register(found)
    return found


def place_of(name: str) -> tuple[str, str] | None:
    """Return panel and module of a command or a group; None when there is none of that name."""
    for panel, modules in PANELS.items():
        for module, names in modules.items():
            if name in names:
                return panel, module
    return None


def find(words: list[str]) -> tuple[Command, list[str]] | None:
    """Return the command that a command line begins with, and the rest of the line.

    To load one module takes a fraction of the time that all of them take. None when the line does
    not begin with the name of a command, and for a group, with that of one of its commands.
    """
    place = place_of(words[0]) if words else None
    if place is None:
        return None
    within = load(place[1])
    for position, word in enumerate(words):
        command = within.commands.get(word)
        if command is not None:
            return command, words[position + 1 :]
        group = within.groups.get(word)
        if group is None or group.callback is not None:
            return None
        within = group
    return None
