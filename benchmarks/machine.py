"""Where it was measured, in the words that matter to whoever compares."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path


def facts(work: Path) -> str:
    """Return one line: cores, Python, git, the file system of ``work``."""
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    parts = [
        f"{platform.system()} {platform.machine()}",
        f"{os.cpu_count()} cores",
        f"{file_system(work)} file system",
        f"Python {platform.python_version()}",
        git.stdout.strip().replace("git version", "git"),
    ]
    return ", ".join(parts)


def load() -> str:
    """Return how busy the machine was in the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the type of the file system that holds ``folder``, such as ``ext4``."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return "unknown"
    here = folder.resolve()
    best, found = -1, "unknown"
    for line in lines:
        _, place, kind, *_ = line.split(" ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), place))
        if here.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), kind
    return found
