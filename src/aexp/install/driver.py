"""The merge driver of the ledger in this clone's git configuration (INS-06).

The committed ``.gitattributes`` names the driver; what it runs is set per clone, in the
configuration that all work trees of the clone share.
"""

from __future__ import annotations

from aexp.git import Git
from aexp.install.changes import Change
from aexp.ledger.merge_driver import DRIVER_COMMAND, DRIVER_NAME, DRIVER_TITLE
from aexp.repo import Layout

SECTION = f"merge.{DRIVER_NAME}"
COMMAND_KEY = f"{SECTION}.driver"
TITLE_KEY = f"{SECTION}.name"
_OURS = "aexp ledger merge-driver %O %A %B %P"
"""How the commands of all versions begin."""
_FORCE = "; --force replaces it"


def plan_driver(layout: Layout, *, force: bool = False) -> tuple[Change, ...]:
    """Return what it takes to have git call the merge driver.

    A command of the user's own is kept and reported, unless ``force``. The command is set before
    the title, because git refuses to merge with a driver that has a title alone.

    Raises:
        GitError: git cannot answer.
    """
    git, path = Git(layout.root), config_path(layout)
    changes: list[Change] = []
    local = _values(git, "--local")
    command = local.get(COMMAND_KEY)
    if command not in (None, [DRIVER_COMMAND]) and not (force or _is_ours(command)):
        return (Change("kept_git_config", path, _other(command) + _FORCE),)
    wanted = {COMMAND_KEY: DRIVER_COMMAND, TITLE_KEY: DRIVER_TITLE}
    settings = tuple(
        ("--local", "--replace-all", key, value)
        for key, value in wanted.items()
        if local.get(key) != [value]
    )
    if settings:
        detail = f"{SECTION}: merges the ledger"
        changes.append(Change("configured_git", path, detail, None, settings))
    changes += _worktree_changes(layout, git, force)
    return tuple(changes)


def plan_driver_removal(layout: Layout) -> tuple[Change, ...]:
    """Return what takes out of git's configuration what :func:`plan_driver` put in.

    Raises:
        GitError: git cannot answer.
    """
    local, path = _values(Git(layout.root), "--local"), config_path(layout)
    ours = [key for key, values in local.items() if _is_installed(key, values)]
    if not ours:
        other = local.get(COMMAND_KEY)
        return (Change("kept_git_config", path, _other(other)),) if other else ()
    if len(ours) == len(local):
        settings: tuple[tuple[str, ...], ...] = (("--local", "--remove-section", SECTION),)
    else:
        # The title first: a driver that has a title alone would make every merge fail.
        settings = tuple(("--local", "--unset-all", key) for key in sorted(ours, reverse=True))
    return (Change("removed_git_config", path, SECTION, None, settings),)


def configured_command(layout: Layout) -> str | None:
    """Return the command that git would run here, None when there is none.

    Raises:
        GitError: git cannot answer.
    """
    found = Git(layout.root).run("config", "-z", "--get", COMMAND_KEY, check=False)
    return found.stdout.decode("utf-8", "replace").removesuffix("\0") if found.stdout else None


def config_path(layout: Layout) -> str:
    """Return the clone's configuration file as messages show it."""
    assert layout.common_dir is not None
    return layout.relative(layout.common_dir / "config")


def _worktree_changes(layout: Layout, git: Git, force: bool) -> list[Change]:
    """Handle a command in ``config.worktree``, which hides the shared one."""
    enabled = git.run("config", "--bool", "extensions.worktreeConfig", check=False).text == "true"
    command = _values(git, "--worktree").get(COMMAND_KEY) if enabled else None
    if command in (None, [DRIVER_COMMAND]):
        return []
    assert layout.git_dir is not None
    path = layout.relative(layout.git_dir / "config.worktree")
    if not (force or _is_ours(command)):
        return [Change("kept_git_config", path, _other(command) + _FORCE)]
    settings = (("--worktree", "--unset-all", COMMAND_KEY),)
    return [Change("removed_git_config", path, f"{SECTION}: hid the shared one", None, settings)]


def _values(git: Git, scope: str) -> dict[str, list[str]]:
    """Return the section's values by key, in order."""
    pattern = f"^merge\\.{DRIVER_NAME}\\."
    found: dict[str, list[str]] = {}
    result = git.run("config", scope, "-z", "--get-regexp", pattern, check=False)
    for field in result.stdout.split(b"\0")[:-1]:
        key, _, value = field.decode("utf-8", "replace").partition("\n")
        found.setdefault(key, []).append(value)
    return found


def _is_ours(command: list[str] | None) -> bool:
    return command is not None and all(value.startswith(_OURS) for value in command)


def _is_installed(key: str, values: list[str]) -> bool:
    return (key == COMMAND_KEY and _is_ours(values)) or (
        key == TITLE_KEY and values == [DRIVER_TITLE]
    )


def _other(command: list[str] | None) -> str:
    return f"{COMMAND_KEY} is your own, `{'; '.join(command or [])}`"
