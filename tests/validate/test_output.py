"""What ``aexp validate`` and ``aexp runs-export-index`` print and exit with (VAL-01, IDX-01)."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from unittest import mock

import pytest

from aexp import validate as validate_room
from aexp.model.issue import Issue
from aexp.validate import CODES, ValidationResult
from aexp.validate.codes import issue
from aexp.validate.render import SHOWN_PER_CODE, as_json, as_text
from tests.validate.world import World, batch, indexed, job, point

SOURCE = Path(validate_room.__file__).parent.parent
CODE = re.compile(r"(finding|run|ledger|index|kb|settings)\.(?!lock$)[a-z_0-9]+")


def test_every_code_in_the_source_is_in_the_table() -> None:
    """VAL-01: no code can be emitted that the table does not explain, and none there is unused."""
    found: set[str] = set()
    for room in ("validate", "kb", "ledger"):
        for path in (SOURCE / room).glob("*.py"):
            if path.name == "codes.py":
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                text = node.value if isinstance(node, ast.Constant) else None
                if isinstance(text, str) and CODE.fullmatch(text):
                    found.add(text)
    assert found == set(CODES)


def test_table_is_complete_prose() -> None:
    """VAL-01: each code says what it means and how to mend it."""
    for code, info in CODES.items():
        assert CODE.fullmatch(code)
        assert info.severity in ("error", "warning")
        assert info.meaning.endswith("."), code
        assert info.mend, code
        assert not info.mend.endswith("."), code
    with pytest.raises(KeyError):
        issue("finding.unheard_of", "no")


def test_advice_names_commands_that_exist(world: World) -> None:
    """INS-07: whatever `aexp …` a hint says can be typed."""
    texts = [info.mend for info in CODES.values()]
    named = {m for text in texts for m in re.findall(r"`aexp ((?:ledger |kb )?[a-z-]+)", text)}
    assert {"ledger backfill", "link"} <= named
    for command in sorted(named):
        world.machine.aexp_fast(*command.split(), "--help").require(0)


def test_exit_codes(world: World) -> None:
    """VAL-01: 0 with warnings only, 1 with errors, 2 on wrong usage."""
    aexp = world.machine.aexp_fast
    world.artifacts([job("a" * 32)])
    aexp("validate", check=False).require(0)
    world.store()
    aexp("validate", check=False).require(1)
    aexp("validate", "--strict-runs", "warn", check=False).require(0)
    aexp("validate", "--strict-runs=off", check=False).require(0)
    aexp("validate", "--kb-only", check=False).require(0)
    aexp("validate", "--runs-only", check=False).require(0)
    aexp("validate", "--kb-only", "--runs-only", check=False).require(2)
    aexp("validate", "--strict-runs", "never", check=False).require(2)
    aexp("validate", "--format", "xml", check=False).require(2)


def test_text(world: World) -> None:
    """VAL-01, trap 31: by file, one line per issue, how to mend each code once, a summary."""
    world.store()
    world.artifacts([job("a" * 32), job("b" * 32), batch({"tag": "[bold]x[/bold]"})])
    out = world.machine.aexp_fast("validate", check=False).stdout
    assert out.splitlines() == [
        "kb/research/findings/F001-words.md",
        "  ERROR    finding.broken_run_citation  line 9: supporting_runs[0] cites run aaaaaaaa, "
        "which is neither in the ledger nor here nor in an index",
        "  ERROR    finding.broken_run_citation  line 9: supporting_runs[1] cites run bbbbbbbb, "
        "which is neither in the ledger nor here nor in an index",
        "  ERROR    finding.empty_batch  line 9: supporting_runs[2] cites batch E001 "
        "(tag=[bold]x[/bold]), which matches no ended run",
        "",
        "To mend",
        f"  finding.broken_run_citation  {CODES['finding.broken_run_citation'].mend}",
        f"  finding.empty_batch  {CODES['finding.empty_batch'].mend}",
        "",
        "3 errors, 0 warnings (1 finding, 0 runs checked)",
    ]


def test_clean_text(world: World) -> None:
    """VAL-01: nothing wrong is one line."""
    world.artifacts()
    world.local(point())
    assert world.machine.aexp_fast("validate").stdout == (
        "0 errors, 0 warnings (0 findings, 1 run checked)\n"
    )


def test_brackets_and_control_characters_in_paths() -> None:
    """Trap 31: a path is shown as it is, except what would move the cursor."""
    found = Issue("index.malformed", "warning", "odd", ".aexp/runs-index/[red]a[/red]\x1b[2J.json")
    lines = list(as_text(ValidationResult((found,)), CODES))
    assert lines[0] == ".aexp/runs-index/[red]a[/red]\\u001b[2J.json"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_wrapping(world: World, width: int) -> None:
    """VAL-01: in a terminal nothing is wider than it, and no word is lost."""
    world.store()
    world.artifacts([job("a" * 32), batch({"condition": "full", "optimizer.lr": [0.1, 0.2]})])
    result = world.validate()
    wide, narrow = list(as_text(result, CODES)), list(as_text(result, CODES, width=width))
    assert " ".join(narrow).split() == " ".join(wide).split()
    assert max(map(len, narrow)) <= max(width, 50)


def test_many_alike_are_cut_in_text_only(world: World) -> None:
    """VAL-01: a thousand orphans do not bury one broken citation; JSON has them all."""
    world.artifacts([job("a" * 32)])
    for seed in range(SHOWN_PER_CODE + 3):
        world.local(point(seed=seed), link={})
    result = world.validate()
    text = "\n".join(as_text(result, CODES))
    assert text.count("  run.orphan  its") == SHOWN_PER_CODE
    assert "… and 3 more run.orphan" in text
    assert "finding.broken_run_citation" in text
    assert "29 errors" in text
    assert len(as_json(result)["issues"]) == SHOWN_PER_CODE + 4


def test_json(world: World) -> None:
    """VAL-01: the documented document, the same bytes each time."""
    world.index("cluster", indexed("a" * 32))
    world.artifacts([job("a" * 32), "no citation"])
    first = world.machine.aexp_fast("validate", "--format", "json", check=False).require(1)
    again = world.machine.aexp_fast("validate", "--format", "json", check=False)
    assert first.stdout == again.stdout
    value = json.loads(first.stdout)
    assert {k: v for k, v in value.items() if k != "issues"} == {
        "schema_version": 1,
        "ok": False,
        "mode": "full",
        "strict_runs": "error",
        "counts": {"errors": 1, "warnings": 1, "findings": 1, "runs": 0},
    }
    [absent] = [i for i in value["issues"] if i["code"] == "finding.absent_run_citation"]
    assert absent["path"] == "kb/research/findings/F001-words.md"
    assert absent["detail"] == {
        "finding": "F001",
        "index": 0,
        "job_id": "a" * 32,
        "line": 9,
        "machines": ["cluster"],
    }


def test_order_does_not_depend_on_the_file_system(world: World) -> None:
    """VAL-01: folders listed backwards give the same report."""
    import os

    world.artifacts([job("a" * 32), batch({"seed": 9})], [job("b" * 32)])
    for seed in range(5):
        world.local(point(seed=seed), link={})
        world.machine.write(f".aexp/ledger/{seed:032x}.json", "{}")
    expected = world.validate().issues
    scandir = os.scandir

    class Backwards:
        def __init__(self, path: object) -> None:
            with scandir(path) as entries:  # type: ignore[type-var]
                self.entries = sorted(entries, key=lambda e: e.name, reverse=True)

        def __enter__(self) -> Backwards:
            return self

        def __exit__(self, *args: object) -> None:
            return None

        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter(self.entries)

    with mock.patch("os.scandir", Backwards):
        assert world.validate().issues == expected
    assert len(expected) == 13


def test_export_command(world: World) -> None:
    """IDX-01: says what it wrote, and that the ledger replaces it."""
    world.local(point())
    aexp = world.machine.aexp_fast
    done = aexp("runs-export-index", "--as", "box")
    assert done.stdout == "wrote .aexp/runs-index/box.json: 1 run\n"
    assert "`aexp ledger backfill`" in done.stderr
    assert json.loads(world.machine.read(".aexp/runs-index/box.json"))["machine_label"] == "box"
    world.index("box", indexed("a" * 32))
    done = aexp("runs-export-index", "--as", "box")
    assert done.stdout == "wrote .aexp/runs-index/box.json: 2 runs\n"
    assert "kept 1 of them" in done.stderr
    before = world.machine.status()
    for arguments in (["--as", "../../evil"], ["--out", "../x.json"], ["--out", "/tmp/x.json"]):
        failed = aexp("runs-export-index", *arguments, check=False).require(2)
        assert failed.stderr.startswith("error: ")
        assert "Traceback" not in failed.stderr
    assert world.machine.status() == before


def test_outside_a_repository(world: World, tmp_path: Path) -> None:
    """Trap 32: an ordinary mistake is one line and a hint."""
    from tests.support.machines import Machine

    place = Machine(tmp_path)
    for command in ("validate", "runs-export-index"):
        done = place.aexp_fast(command, check=False).require(3)
        assert done.stdout == ""
        assert done.stderr.splitlines()[0].endswith("is not inside a git repository")
