"""Which kernel runs a notebook: that of the active environment (EXE-61)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

from aexp import settings
from aexp.errors import NotFoundError
from aexp.execution.parameters import Notebook
from aexp.recording.formats import require

OWN_KERNEL: Final = "aexp-active-environment"
"""What the kernel is called that is made for a run, where none is installed."""

_PLAIN_PYTHON: Final = (
    *("python", f"python{sys.version_info[0]}"),
    f"python{sys.version_info[0]}.{sys.version_info[1]}",
)
"""Names in whose place jupyter_client puts the interpreter of this process."""


@contextmanager
def kernel_for(notebook: Notebook, wanted: str | None) -> Iterator[str]:
    """Yield the name of the kernel that runs a notebook.

    For a notebook in Python it is one with the interpreter that runs this process: the one it was
    saved with, another one that is installed, else one made for this run. A notebook in another
    language has its own.

    Args:
        notebook: the notebook.
        wanted: the name that the user gave, or None.

    Raises:
        NotFoundError: there is no such kernel.
        MissingExtraError: this environment has no kernel for Python.
    """
    manager = require("jupyter_client.kernelspec", "notebook", "a notebook").KernelSpecManager()
    known = manager.find_kernel_specs()
    own = notebook.kernel if notebook.language != "python" else None
    named = wanted or own
    if named:
        if named not in known:
            raise NotFoundError(
                f"there is no Jupyter kernel {named!r}", hint=f"there is: {', '.join(known)}"
            )
        yield named
        return
    require("ipykernel", "notebook", "a notebook")
    found = [name for name in known if _is_ours(manager, name)]
    if found:
        yield notebook.kernel if notebook.kernel in found else sorted(found)[0]
        return
    with _own_kernel():
        yield OWN_KERNEL


def _is_ours(manager: Any, name: str) -> bool:
    """Return whether a kernel has the interpreter of this process."""
    try:
        argv = list(manager.get_kernel_spec(name).argv)
    except (KeyError, OSError, ValueError):  # gone, or no kernel
        return False
    if len(argv) < 3 or argv[1:3] != ["-m", "ipykernel_launcher"]:
        return False
    if argv[0] in _PLAIN_PYTHON:
        return True
    return Path(argv[0]).absolute() == Path(sys.executable).absolute()


@contextmanager
def _own_kernel() -> Iterator[None]:
    with TemporaryDirectory(prefix="aexp-kernel-", ignore_cleanup_errors=True) as folder:
        spec = Path(folder) / "kernels" / OWN_KERNEL
        spec.mkdir(parents=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (spec / "kernel.json").write_text(
            json.dumps({"argv": argv, "display_name": "aexp", "language": "python"}), "utf-8"
        )
        with settings.environment_with(settings.jupyter_path_with(folder)):
            yield


def manager_logging_to(log: BinaryIO) -> type[Any]:
    """Return a class that starts kernels whose own messages go to a file, and not to the terminal.

    Args:
        log: the file; it must stay open as long as the kernel lives.
    """
    manager: Any = require("jupyter_client", "notebook", "a notebook").AsyncKernelManager

    class Manager(manager):  # type: ignore[misc]
        """Starts kernels."""

        async def start_kernel(self, **options: Any) -> None:
            """Start the kernel."""
            await super().start_kernel(**{"stdout": log, "stderr": log, **options})

    return Manager
