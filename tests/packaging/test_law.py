"""What the import contracts of ``pyproject.toml`` cannot say, read from the source itself."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sealed import CHECKOUT

PACKAGE = CHECKOUT / "src" / "aexp"
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a file's path inside the package."""
    return path.relative_to(PACKAGE).as_posix()


def tree_of(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text("utf-8"), str(path))


def environment_uses(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that reach for the process environment, however it is spelled."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr in names
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
        ):
            yield node.lineno
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and names & {alias.name for alias in node.names}
        ):
            yield node.lineno


def prints(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that print, write to the standard streams, or end the process."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in {"print", "exit", "quit", "sys.exit", "os._exit", "sys.stdout.write"}:
            yield node.lineno


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every imported module with its line, imports inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


@pytest.mark.parametrize(
    ("source", "finder", "count"),
    [
        ("import os\nos.environ['A']\nos.getenv('B')\nfrom os import environ\n", "env", 3),
        ("def f(environ):\n    return environ['A']\n", "env", 0),
        ("print(1)\nsys.exit(2)\ndef f():\n    sys.stdout.write('x')\n", "print", 3),
        ("def fingerprint(x): ...\nfingerprint(1)\n", "print", 0),
    ],
)
def test_the_finders_find(source: str, finder: str, count: int) -> None:
    """The checks below would pass on anything if these did not see their prey."""
    find = environment_uses if finder == "env" else prints
    assert len(list(find(ast.parse(source)))) == count


def test_only_settings_reads_the_environment() -> None:
    """Below the surfaces, ``settings.py`` alone looks at the process environment."""
    found = [
        f"{name_of(path)}:{line}"
        for path in FILES
        if name_of(path) != "settings.py"
        for line in environment_uses(tree_of(path))
    ]
    assert found == []


def test_only_the_command_line_prints_or_exits() -> None:
    """The library is silent; ``cli/`` alone prints or ends the process.

    A forked copy of the process is another matter: it must end itself, once, and nothing else. So
    are the worker of a sweep and the server that forks workers, which are programs of their own
    (``python -m aexp.sweep.worker``).
    """
    found = [
        f"{name_of(path)}:{line}"
        for path in FILES
        if not name_of(path).startswith("cli/")
        for line in prints(tree_of(path))
    ]
    allowed = ("beside.py:", "sweep/worker.py:", "sweep/backends/fork_server.py:")
    programs = [place for place in found if place.startswith(allowed)]
    assert [place for place in found if place not in programs] == []
    assert len(programs) == 4


def test_model_imports_the_standard_library_and_msgspec_only() -> None:
    """``model/`` is pure, and so depends on nothing that could make it impure."""
    allowed = set(sys.stdlib_module_names) | {"msgspec"}
    ours = ("aexp.model", "aexp.errors")
    found = [
        f"{name_of(path)}:{line} {module}"
        for path in [*sorted((PACKAGE / "model").rglob("*.py")), PACKAGE / "errors.py"]
        for line, module in imported(tree_of(path))
        if module.split(".")[0] not in allowed and not module.startswith(ours)
    ]
    assert found == []


def test_no_import_escapes_the_law_by_being_dynamic() -> None:
    """``import_module("aexp.…")`` is unseen by the contracts.

    Only packages that load their names late do it, and name them for type checkers as well, which
    the contracts do see; and the loaders of extras, and of a user's own function, which are none of
    ours. ``cli`` is above all.
    """
    found = [
        name_of(path)
        for path in FILES
        if "import_module(" in path.read_text("utf-8") or "__import__(" in path.read_text("utf-8")
    ]
    lazy = ["__init__.py", "kb/__init__.py", "late.py", "registry/__init__.py"]
    through_late = ["dataset.py", "execution/__init__.py", "sweep/__init__.py"]
    loaders = [
        *("execution/hydra_configs.py", "recording/formats.py", "sweep/attempt.py"),
        "sweep/backends/fork_server.py",
    ]
    below = [name for name in found if not name.startswith("cli/")]
    assert sorted(below) == sorted([*lazy, *loaders])
    for name in ("kb/__init__.py", "registry/__init__.py", *through_late):
        tree = tree_of(PACKAGE / name)
        declared = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aexp.")
            for alias in node.names
            if alias.asname == alias.name  # "X as X": offered to others
        }
        package = importlib.import_module("aexp." + name.split("/")[0].removesuffix(".py"))
        served = getattr(package, "__all__", None) or package._MODULES
        assert set(served) == declared, name


def test_utils_only_re_exports() -> None:
    """``utils`` stands outside the layers, so it may define nothing."""
    for path in sorted((PACKAGE / "utils").rglob("*.py")):
        for node in tree_of(path).body:
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            assert is_text or is_all or isinstance(node, ast.ImportFrom), (
                f"{name_of(path)}:{node.lineno}"
            )


def test_no_file_is_longer_than_500_lines() -> None:
    """A file past 500 lines is two rooms in one."""
    long = {
        name_of(path): lines
        for path in FILES
        if (lines := len(path.read_text("utf-8").splitlines())) > 500
    }
    assert long == {}
