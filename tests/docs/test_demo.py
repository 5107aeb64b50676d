"""`make demo` run for real, and made to fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.sealed import CHECKOUT

DEMO = CHECKOUT / "examples" / "digits" / "demo.py"


def run_demo(tmp_path: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the demonstration with its temporary folder inside ``tmp_path``."""
    return subprocess.run(
        [sys.executable, str(DEMO), *arguments],
        env={**os.environ, "TMPDIR": str(tmp_path), **environ},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_demo_tells_the_whole_story(tmp_path: Path) -> None:
    """LED-09: real training on the cluster, 0 errors and 0 warnings on the laptop."""
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[ok] 0 errors, 0 warnings on the laptop" in done.stdout
    assert "[ok] git status on the laptop is clean" in done.stdout
    assert "What to try next" in done.stdout
    wide = [line for line in done.stdout.splitlines() if len(line) > 80]
    assert [line for line in wide if str(tmp_path) not in line] == []
    assert list(tmp_path.iterdir()) == [], "the demonstration leaves nothing behind"


def test_a_step_that_goes_wrong_ends_the_demo(tmp_path: Path) -> None:
    """The demonstration does not go on, nor exit 0, past a command that failed."""
    broken = tmp_path / "bin"
    broken.mkdir()
    git = broken / "git"
    git.write_text("#!/bin/sh\nexit 7\n")
    git.chmod(0o755)
    done = run_demo(tmp_path, PATH=f"{broken}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode == 1
    assert "The demonstration stopped: demo: `git init --quiet --bare remote.git` exited 7" in (
        done.stderr
    )
