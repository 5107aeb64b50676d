"""An environment that holds nothing of the machine or the person the tests run on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
"""The root of the checkout that is under test."""

LEAKY_PREFIXES = ("AEXP_", "GIT_", "SLURM_", "OMPI_", "PMI_", "XDG_")
LEAKY_NAMES = ("EMAIL", "PAGER", "EDITOR", "VISUAL", "SSH_ASKPASS", "LC_ALL", "LANGUAGE", "CDPATH")

GIT_CONFIG = """\
[init]
\tdefaultBranch = main
[user]
\tuseConfigOnly = true
[gc]
\tauto = 0
[core]
\tautocrlf = false
[commit]
\tgpgSign = false
[protocol "file"]
\tallow = always
"""


def sealed_environ(home: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment whose home is ``home`` and which says nothing about git, Slurm or aexp.

    Git has no identity of its own in it, so that a test that forgets to set one fails loudly.
    """
    source = os.environ if base is None else base
    kept = {
        name: value
        for name, value in source.items()
        if not name.startswith(LEAKY_PREFIXES) and name not in LEAKY_NAMES
    }
    config = home / ".gitconfig"
    if not config.exists():
        home.mkdir(parents=True, exist_ok=True)
        config.write_text(GIT_CONFIG, "utf-8")
    return kept | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "COLUMNS": "80",
        "LINES": "24",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
