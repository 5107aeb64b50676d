"""Named multiruns: overrides that a config folder keeps under a name (EXE-60)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aexp.errors import UsageError

GROUP: Final = "multirun"
"""The config group whose options are named multiruns."""

_NAMED = re.compile(rf"\+{{0,2}}{GROUP}=(.*)")
_KEY = re.compile(r"[+~]{0,2}([^=]+)(?:=.*)?", re.S)


@dataclass(frozen=True, slots=True)
class Multirun:
    """What a config folder keeps under a name.

    Attributes:
        name: what ``+multirun=`` calls it.
        overrides: Hydra overrides, with the values of a sweep parted by commas.
        description: what it is for, in Markdown.
    """

    name: str
    overrides: tuple[str, ...]
    description: str = ""


def multirun_config(name: str, overrides: Sequence[str], description: str = "") -> None:
    """Keep overrides under a name, for ``aexp exec +multirun=NAME``; for a config folder in Python.

    A folder of YAML files does the same with ``multirun/NAME.yaml``, which has the keys
    ``overrides`` and ``description``.

    Args:
        name: what it is called.
        overrides: as on the command line, such as ``model_config.alpha=0.01,0.1``.
        description: what it is for, in Markdown.

    Raises:
        UsageError: there are no overrides, or one is no text.
        MissingExtraError: hydra-zen is not installed.
    """
    from aexp.recording.formats import require

    node = {"overrides": _checked(name, list(overrides)), "description": description}
    store = require("hydra_zen", "hydra", "a config folder in Python").store
    store(node, name=name, group=GROUP)


def parse_multirun(name: str, node: Any) -> Multirun:
    """Return the multirun that an option of the group holds.

    Raises:
        UsageError: it holds something else.
    """
    if not isinstance(node, dict):
        raise UsageError(f"multirun {name} is no mapping with overrides")
    overrides = _checked(name, node.get("overrides"))
    return Multirun(name, tuple(overrides), str(node.get("description") or ""))


def _checked(name: str, overrides: Any) -> list[str]:
    if not isinstance(overrides, list) or not overrides:
        raise UsageError(
            f"multirun {name} has no overrides", hint="such as model_config.alpha=0.01,0.1"
        )
    for item in overrides:
        if not isinstance(item, str) or not _KEY.fullmatch(item):
            raise UsageError(f"multirun {name}: {item!r} is no override")
    return overrides


def expand_multirun(
    arguments: Sequence[str], read: Callable[[str], Multirun]
) -> tuple[list[str], Multirun | None]:
    """Return arguments with a named multirun's overrides in place of its name.

    What else the command line says of a key beats what the multirun says of it.

    Args:
        arguments: Hydra's flags and overrides.
        read: returns the multirun of a name.

    Returns:
        The arguments, and the multirun; None when none was named.

    Raises:
        UsageError: several were named.
    """
    names = [found[1] for text in arguments if (found := _NAMED.fullmatch(text))]
    if not names:
        return list(arguments), None
    if len(names) > 1 or not names[0]:
        raise UsageError("name one multirun", hint="such as +multirun=alphas; see `--info`")
    multirun = read(names[0])
    rest = [text for text in arguments if not _NAMED.fullmatch(text)]
    said = {_key(text) for text in rest if not text.startswith("-")}
    return [text for text in multirun.overrides if _key(text) not in said] + rest, multirun


def _key(override: str) -> str:
    found = _KEY.fullmatch(override)
    return found[1].strip() if found else override
