"""``kill -9`` while outputs are registered: what was registered is there (EXE-23)."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import aexp
from aexp.execution.checking import check_staged, strays
from aexp.execution.state import State
from tests.execution.staged import new_execution
from tests.recording.optional import need
from tests.support.killed import kill_everywhere
from tests.support.machines import Machine, checkout_environ

REGISTER = """
import json, sys
from pathlib import Path
import aexp
exe = aexp.open_repo().resume_execution(sys.argv[1])
exe.execution_start()
for number in range(100_000):
    path = exe.asset_file_path("Model", f"{number}.pt", metadata={"number": number})
    path.write_text(str(number))
    path.set_metadata("twice", 2 * number)
    exe.state.add_features([("Image", "Grade", {"Image": str(number)}, ())])
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 130])
def test_killed_at_any_moment(installed_repo: Machine, after: int) -> None:
    """EXE-23, EXE-51: a real process, really killed; all that it was told is registered is."""
    need("pydantic")
    exe = new_execution(installed_repo)
    child = subprocess.Popen(
        [sys.executable, "-c", REGISTER, exe.execution_rid],
        cwd=installed_repo.path,
        env=checkout_environ(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child.stdout as lines:
        for _, line in zip(range(after), lines, strict=False):
            assert line
        child.kill()
        told = after + len(lines.read().split("\n")) - 1
    assert child.wait() == -signal.SIGKILL
    again = aexp.open_repo(installed_repo.path).resume_execution(exe.execution_rid)
    rows = {row.name: row for row in again.state.assets()}
    assert told <= len(rows) <= told + 1
    for number in range(told):
        row = rows[f"{number}.pt"]
        assert row.metadata == {"number": number, "twice": 2 * number}
        assert again.state.path_of(row).read_text() == str(number)
    assert told <= len(again.state.features()) <= told + 1
    listed = json.loads((again.working_dir / "asset-manifest.json").read_bytes())["assets"]
    assert [each["rid"] for each in listed] == [row.rid for row in again.state.assets()]


STAGE = """
import sys, warnings
from pathlib import Path
from aexp.execution.placing import Said, stage
from aexp.execution.state import State
warnings.simplefilter("ignore")
here = Path.cwd()
told = open(sys.argv[1], "ab", buffering=0)
folder = here / "0123456789abcdef0123456789abcdef"
state = State.open(folder)
def register(what, name, given, **options):
    path = stage(state, "Image", given, Said(), rename_file=name, **options)
    told.write(f"{what} {name}\\n".encode())
    return path
for each in sys.argv[2:]:
    what, name = each.split(":")
    given = name if what == "new" else here / "mine" / f"{what[-1]}.png"
    register(what, name, given, copy_file=what.startswith("copy"))
"""

WHAT = {
    "link-a": ("link", b"content of a"),
    "link-b": ("link", b"content of b"),
    "copy-a": ("copy", b"content of a"),
    "copy-b": ("copy", b"content of b"),
    "new": ("new", None),
}


@pytest.mark.parametrize(
    "steps",
    [
        ["link-a:x.png", "link-b:x.png", "new:x.png"],
        ["copy-a:x.png"],
        pytest.param(
            [
                *("link-a:x.png", "copy-b:x.png", "link-b:x.png", "new:x.png"),
                *("copy-b:y.png", "link-a:y.png", "copy-b:z.png"),
            ],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_killed_between_the_steps_of_a_registration(tmp_path: Path, steps: list[str]) -> None:
    """EXE-22, EXE-23, trap 49: at each step the last registration that returned, or the next one.

    Whatever stands in staging then, no user's file has changed, and registering goes on.
    """
    log = tmp_path / "told"

    def place(number: int) -> Path:
        folder = tmp_path / f"place-{number}"
        (folder / "mine").mkdir(parents=True)
        (folder / ".git").mkdir()
        (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        for name in "ab":
            (folder / "mine" / f"{name}.png").write_text(f"content of {name}")
        run = folder / "0123456789abcdef0123456789abcdef"
        run.mkdir()
        State.create(run, {})
        log.unlink(missing_ok=True)
        return folder

    script = tmp_path / "stage.py"
    script.write_text(STAGE)
    order = [tuple(step.split(":")) for step in steps]
    program = [str(script), str(log), *steps]
    seen = 0
    for point, folder in kill_everywhere(program, place, phases=("after",)):
        seen += 1
        told = log.read_text().splitlines() if log.exists() else []
        state = State.open(folder / "0123456789abcdef0123456789abcdef")
        assert told == [f"{what} {name}" for what, name in order[: len(told)]], point
        allowed = [{name: what for what, name in order[:n]} for n in (len(told), len(told) + 1)]
        found = {row.name: row for row in state.assets()}
        kinds = {name: row.kind for name, row in found.items()}
        assert kinds in [{n: WHAT[w][0] for n, w in each.items()} for each in allowed], point
        for name in "ab":
            mine = folder / "mine" / f"{name}.png"
            assert mine.read_text() == f"content of {name}", point
        for name, row in found.items():
            if row.kind == "new":
                state.path_of(row).write_bytes(b"new")
            path = state.path_of(row)
            if row.kind == "link" and path.exists() and not path.is_symlink():
                continue  # a copy that was on its way; its registration did not return
            check_one(state, row.name)
            contents = {WHAT[each[name]][1] or b"new" for each in allowed if name in each}
            assert path.read_bytes() in contents, point
        for name in "ab":
            mine = folder / "mine" / f"{name}.png"
            assert mine.read_text() == f"content of {name}", point
        assert {p.name for p in strays(state.working_dir, state)} <= set(allowed[1]), point
        shutil.rmtree(folder)
    assert seen >= 4 * len(steps)


def check_one(state: State, name: str) -> None:
    """Check what is staged; the only thing that may be wrong is another file."""
    from aexp.errors import StagedOutputError

    try:
        check_staged(state, state.working_dir)
    except StagedOutputError as error:
        found = error.problems
    else:
        return
    assert not any(f"/{name} " in problem for problem in found), found
