"""The README and every page of the documentation do what they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import RUNNABLE, Reader, blocks
from tests.support.sealed import CHECKOUT

PAGES = sorted(
    page
    for page in [
        *CHECKOUT.glob("*.md"),
        *(CHECKOUT / "docs").rglob("*.md"),
        *(CHECKOUT / "examples").rglob("*.md"),
        *(CHECKOUT / "benchmarks").rglob("*.md"),
    ]
)
KNOWN = RUNNABLE | {"text", "json", "yaml", "toml", "markdown", "ini", "gitignore", "diff"}
SLOW = {"examples/execution/README.md"}
"""Ten programs that import scikit-learn, and two kernels."""
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def page_id(page: Path) -> str:
    """Return a page's path in the checkout."""
    return page.relative_to(CHECKOUT).as_posix()


def is_run(page: Path) -> bool:
    """Return whether a page has at least one block to run."""
    return any(b.language in RUNNABLE and b.reason is None for b in blocks(page.read_text("utf-8")))


@pytest.fixture
def reader(tmp_path: Path, sealed_environment: Path) -> Reader:
    """A reader with a git identity, in a folder with a copy of ``examples/``."""
    for key, value in (("user.name", "A Reader"), ("user.email", "reader@example.invalid")):
        subprocess.run(["git", "config", "--global", key, value], check=True)
    desk, state = tmp_path / "desk", tmp_path / "state"
    state.mkdir()
    shutil.copytree(
        CHECKOUT / "examples", desk / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    return Reader(desk, dict(os.environ), state)


def run_pages() -> list[object]:
    """Return the pages with blocks to run; those that take long are marked."""
    found = [page for page in PAGES if is_run(page)]
    slow = pytest.mark.slow
    return [pytest.param(p, marks=slow if page_id(p) in SLOW else ()) for p in found]


@pytest.mark.parametrize("page", run_pages(), ids=page_id)
def test_every_block_of_the_page_runs(page: Path, reader: Reader) -> None:
    """A stranger can copy each block of a page, in order, and none of them fails."""
    for block in blocks(page.read_text("utf-8")):
        if block.language not in RUNNABLE or block.reason is not None:
            continue
        done = reader.run(block)
        assert done.returncode == 0, (
            f"{page_id(page)}:{block.line} exited {done.returncode}\n"
            f"{block.text}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
        )


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_block_names_its_language(page: Path) -> None:
    """A block without a language, or with a misspelt one, would silently not be run."""
    unknown = [
        (b.line, b.language) for b in blocks(page.read_text("utf-8")) if b.language not in KNOWN
    ]
    assert not unknown, f"{page_id(page)}: {unknown}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_to_files_resolve(page: Path) -> None:
    """No page of the checkout links to a file that is not there."""
    for target in LINK.findall(page.read_text("utf-8")):
        if target.startswith(("http://", "https://", "#", "run:", "batch:")):
            continue
        path = page.parent / target.split("#")[0]
        assert path.exists(), f"{page_id(page)} links to {target}"


def test_the_readme_is_run() -> None:
    """The page most people see is not exempt: most of its shell blocks are run."""
    found = [
        b for b in blocks((CHECKOUT / "README.md").read_text("utf-8")) if b.language in RUNNABLE
    ]
    assert len([b for b in found if b.reason is None]) > len(found) / 2
