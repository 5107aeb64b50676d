"""What this process runs on and with: packages, platform, processor, graphics cards (REC-09).

Nothing here fails: what cannot be told is left out.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from aexp.model.canonical import Json

_PATIENCE_S = 10.0
_INSTALLED = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*)(?:-py[\d.]+)?\.(?:dist|egg)-info")


@lru_cache(maxsize=1)
def packages() -> dict[str, str]:
    """Return the version of every installed package, by its normal name (PEP 503).

    The same as :func:`importlib.metadata.distributions` says, from the names of the folders
    alone: reading every package's metadata takes a fifth of a second. Looked up once a process.
    """
    found: dict[str, str] = {}
    odd = False
    for folder in sys.path:
        for entry in _info_folders(folder or "."):
            match = _INSTALLED.fullmatch(entry)
            if match is None:
                odd = True
            else:
                found.setdefault(_normal(match["name"]), match["version"])
    if odd:
        found = {**_packages_read(), **found}
    return dict(sorted(found.items()))


def _info_folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return []
    return sorted(name for name in names if name.endswith((".dist-info", ".egg-info")))


def _packages_read() -> dict[str, str]:
    """Return the same from the metadata, for packages whose folders do not say their version."""
    from importlib import metadata

    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        try:
            name, version = distribution.metadata["Name"], distribution.metadata["Version"]
        except (LookupError, OSError, TypeError):  # a broken installation, in any finder's words
            continue
        if name and version:
            found.setdefault(_normal(name), version)
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=1)
def hardware() -> dict[str, Json]:
    """Return the platform, the processor, the memory and the graphics cards, told once a process.

    ``memory`` and the cards' ``memory_mib`` are in bytes and MiB.
    """
    return {
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
            "libc": " ".join(platform.libc_ver()).strip(),
        },
        "cpu": {"model": _cpu_model(), "count": os.cpu_count(), "usable": _usable_cpus()},
        "memory": _memory(),
        "gpus": gpus(),
    }


def python() -> dict[str, Json]:
    """Return which Python this is."""
    return {"implementation": platform.python_implementation(), "version": sys.version.split()[0]}


def _cpu_model() -> str | None:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith(("model name", "Model", "cpu model")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        return _answer(["sysctl", "-n", "machdep.cpu.brand_string"]) or None
    return platform.processor() or None


def _usable_cpus() -> int | None:
    """Return how many processors this process may use (a scheduler may allow fewer than all)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return os.cpu_count() if affinity is None else len(affinity(0))


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def gpus() -> list[Json]:
    """Return name, memory and driver of each NVIDIA card, as ``nvidia-smi`` tells them."""
    columns = "name,memory.total,driver_version"
    told = _answer(["nvidia-smi", f"--query-gpu={columns}", "--format=csv,noheader,nounits"])
    found: list[Json] = []
    for line in told.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 3:
            memory = int(parts[1]) if parts[1].isdigit() else None
            found.append({"name": parts[0], "memory_mib": memory, "driver": parts[2]})
    return found


def _answer(command: list[str]) -> str:
    """Return what a program prints, nothing when it is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_PATIENCE_S, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip()
