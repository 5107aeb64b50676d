"""The modules of the benchmarks, which live outside the package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.sealed import CHECKOUT

BENCHMARKS = CHECKOUT / "benchmarks"


@contextmanager
def loaded(*names: str) -> Iterator[dict[str, ModuleType]]:
    """Give modules of the benchmarks by name; afterwards none of them is loaded any more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        try:
            yield {name: importlib.import_module(name) for name in names}
        finally:
            for name, module in list(sys.modules.items()):
                if Path(getattr(module, "__file__", None) or "").parent == BENCHMARKS:
                    del sys.modules[name]
