"""Values of features read back: what a ledger entry names, each with its execution (EXE-25, 31)."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import Any

import pytest

from aexp.data.feature_values import find_values, list_feature_values, tallies
from aexp.data.features import create_feature
from aexp.errors import CorruptDataError, NotFoundError
from aexp.registry import open_registry
from aexp.repo import Layout, open_layout
from aexp.runs.retract import retract
from tests.data.published import execution_rid, feature_output, put_execution
from tests.support.machines import Machine


@pytest.fixture
def layout(installed_repo: Machine) -> Layout:
    layout = open_layout(installed_repo.path)
    create_feature(layout, "Image", "Grade", {"grade": ["Mild", "Severe"], "score": "float?"})
    return layout


def grades(layout: Layout, *rows: tuple[str, str, Any]) -> dict[str, Any]:
    """Return an output of ``Image/Grade``."""
    values = [{"Image": image, "grade": grade, "score": score} for image, grade, score in rows]
    plain = [{k: v for k, v in row.items() if v is not None} for row in values]
    return feature_output(layout, "Image", "Grade", plain)


def read(layout: Layout, **options: Any) -> list[tuple[str, Any, Any, str]]:
    """Return the values of ``Image/Grade`` as tuples."""
    found = list_feature_values(layout, "Image", "Grade", **options)
    return [(value.target, value["grade"], value["score"], value.execution) for value in found]


def test_all_are_kept_the_newest_last(layout: Layout) -> None:
    """EXE-25: several executions may give a value to one thing; each value names its execution."""
    late = put_execution(
        layout, 1, [grades(layout, ("1", "Mild", 0.5), ("2", "Mild", None))], hour=9
    )
    early = put_execution(
        layout, 2, [grades(layout, ("1", "Severe", 1.0), ("3", "Mild", 2))], hour=3
    )
    assert read(layout) == [
        ("1", "Severe", 1.0, early),
        ("3", "Mild", 2, early),
        ("1", "Mild", 0.5, late),
        ("2", "Mild", None, late),
    ]
    assert read(layout, latest=True) == [
        ("1", "Mild", 0.5, late),
        ("3", "Mild", 2, early),
        ("2", "Mild", None, late),
    ]


def test_publishing_more_does_not_make_old_values_new(layout: Layout) -> None:
    """EXE-41: the end of the work decides what is newest, and not the last publication."""
    old = put_execution(
        layout, 1, [grades(layout, ("1", "Mild", None))], hour=1,
        execution={"publication": "uploaded", "published_at": "2026-03-01T00:00:00Z"},
    )  # fmt: skip
    new = put_execution(layout, 2, [grades(layout, ("1", "Severe", None))], hour=2)
    assert [execution for *_, execution in read(layout)] == [old, new]


def test_additions_of_one_execution_keep_their_order(layout: Layout) -> None:
    """EXE-41: an execution that publishes twice has two outputs of one feature."""
    first, second = (grades(layout, ("1", grade, None)) for grade in ("Mild", "Severe"))
    put_execution(layout, 1, [first, second])
    assert [grade for _, grade, *_ in read(layout)] == ["Mild", "Severe"]
    assert [grade for _, grade, *_ in read(layout, latest=True)] == ["Severe"]


def test_what_no_entry_names_does_not_count(layout: Layout) -> None:
    """EXE-31: bytes in the registry and a run that is not in the ledger are nothing yet."""
    put_execution(layout, 1, [grades(layout, ("1", "Mild", None))], promote=False)
    assert read(layout) == []
    assert tallies(layout, open_registry(layout)) == {}


def test_what_was_taken_back_does_not_count(layout: Layout) -> None:
    """Model.md 5: a tombstone stands in the place of the values."""
    gone = put_execution(layout, 1, [grades(layout, ("1", "Mild", None))])
    kept = put_execution(layout, 2, [grades(layout, ("1", "Severe", None))])
    retract(layout, gone, reason="wrong images")
    assert [execution for *_, execution in read(layout)] == [kept]


def test_numbers_that_are_not_finite_come_back(layout: Layout) -> None:
    """LED-02, trap 11."""
    put_execution(layout, 1, [grades(layout, ("1", "Mild", "NaN"), ("2", "Mild", "-Infinity"))])
    scores = [score for _, _, score, _ in read(layout)]
    assert math.isnan(scores[0]) and scores[1] == -math.inf


def test_other_features_are_others(layout: Layout) -> None:
    """EXE-25: target and name make a feature."""
    create_feature(layout, "Image", "Other", {"grade": ["Mild"]})
    create_feature(layout, "Eye", "Grade", {"grade": ["Mild"]})
    row = {"Image": "1", "grade": "Mild"}
    outputs = [
        feature_output(layout, "Image", "Other", [row]),
        feature_output(layout, "Eye", "Grade", [{"Eye": "L", "grade": "Mild"}]),
        grades(layout, ("1", "Severe", None)),
    ]
    put_execution(layout, 1, outputs)
    assert len(read(layout)) == 1
    assert {key: tally.values for key, tally in tallies(layout, open_registry(layout)).items()} == {
        "Image/Other": 1, "Eye/Grade": 1, "Image/Grade": 1,
    }  # fmt: skip


def test_bytes_that_are_not_here(layout: Layout, installed_repo: Machine) -> None:
    """Issue 7, part 5: what another clone lacks it is told how to fetch; the rest is shown."""
    here = put_execution(layout, 1, [grades(layout, ("1", "Mild", None))])
    output = grades(layout, ("1", "Severe", None), ("2", "Severe", None))
    away = put_execution(layout, 2, [output])
    open_registry(layout).path(output["digest"]).unlink()
    found = find_values(layout, open_registry(layout), "Image", "Grade")
    assert [value.execution for value in found.values] == [here]
    assert [(absent.execution, absent.count) for absent in found.absent] == [(away, 2)]
    with pytest.raises(NotFoundError, match="2 values of Image/Grade are not here") as error:
        list_feature_values(layout, "Image", "Grade")
    assert f"aexp pull {away[:8]}" in str(error.value.hint)

    done = installed_repo.aexp_fast("feature", "values", "Image", "Grade", check=False).require(10)
    assert here[:8] in done.stdout and "Severe" not in done.stdout
    assert f"aexp pull {away[:8]}" in done.stderr and "2 values of 1 execution" in done.stderr
    counted = json.loads(installed_repo.aexp_fast("feature", "list", "--format", "json").stdout)
    assert (counted[0]["values"], counted[0]["executions"]) == (3, [here, away])
    one = ("feature", "values", "Image", "Grade", "--execution", here[:8], "--format", "json")
    assert len(json.loads(installed_repo.aexp_fast(*one).stdout)) == 1


def test_a_list_that_is_not_here(layout: Layout) -> None:
    """EXE-31: an entry without room for its outputs names an attachment; that may be elsewhere."""
    many = [grades(layout, ("1", "Mild", None))] * 300
    away = put_execution(layout, 1, many)
    entry = json.loads((layout.ledger_dir / f"{away}.json").read_bytes())
    assert "outputs" not in entry, "the list was to be too long for the entry"
    assert len(read(layout)) == 300
    for part in (layout.workspace / away / "attachments").iterdir():
        part.unlink()
    found = find_values(layout, open_registry(layout), "Image", "Grade")
    assert [(absent.execution, absent.count) for absent in found.absent] == [(away, None)]
    with pytest.raises(NotFoundError, match=r"^values of Image/Grade are not here"):
        list_feature_values(layout, "Image", "Grade")


@pytest.mark.parametrize(
    "lines",
    [b'{"Image": "1"}\nno json\n', b"[1]\n{}\n", b'{"grade": "Mild"}\n{}\n', b'{"Image": "1"}\n'],
)
def test_values_that_are_none(layout: Layout, lines: bytes) -> None:
    """EXE-25: bytes with the right digest may still hold something else; nothing is made up."""
    blob = open_registry(layout).put(lines)
    output = {**grades(layout), "digest": blob.digest, "size": blob.size, "count": 2}
    put_execution(layout, 1, [output])
    with pytest.raises(CorruptDataError, match="Image/Grade"):
        list_feature_values(layout, "Image", "Grade")


def test_damaged_bytes_are_found_out(layout: Layout) -> None:
    """REG-02: a blob that is not what its name says is no value."""
    output = grades(layout, ("1", "Mild", None))
    put_execution(layout, 1, [output])
    path = open_registry(layout).path(output["digest"])
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"Mild", b"Wild"))
    with pytest.raises(CorruptDataError):
        list_feature_values(layout, "Image", "Grade")


def test_values_on_the_command_line(layout: Layout, installed_repo: Machine) -> None:
    """EXE-25: a table, JSON, and `--latest`."""
    old = put_execution(layout, 1, [grades(layout, ("1", "Mild", "NaN"), ("2", "Mild", None))])
    new = put_execution(layout, 2, [grades(layout, ("1", "Severe", 0.5))])
    done = installed_repo.aexp_fast("feature", "values", "Image", "Grade")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows == [
        ["Image", "grade", "score", "EXECUTION"],
        ["1", "Mild", "nan", old[:8]],
        ["2", "Mild", "-", old[:8]],
        ["1", "Severe", "0.5", new[:8]],
    ]
    told = json.loads(
        installed_repo.aexp_fast(
            "feature", "values", "Image", "Grade", "--latest", "--format", "json"
        ).stdout
    )
    assert [(v["target"], v["values"]["grade"], v["execution"]) for v in told] == [
        ("1", "Severe", new), ("2", "Mild", old),
    ]  # fmt: skip
    shown = installed_repo.aexp_fast("feature", "show", "Image", "Grade").stdout
    assert "3 values of 2 executions" in shown and old in shown


def test_the_commands_need_no_pydantic(layout: Layout, installed_repo: Machine) -> None:
    """Brief of issue 7: reading and defining work in the base installation."""
    put_execution(layout, 1, [grades(layout, ("1", "Mild", None))])
    program = (
        "import sys; sys.modules['pydantic'] = None\n"
        "from aexp.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    for arguments in (
        ("feature", "create", "Image", "New", "--column", "x=float"),
        ("feature", "list"),
        ("feature", "show", "Image", "Grade"),
        ("feature", "values", "Image", "Grade"),
        ("asset", "list"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=installed_repo.path, env=dict(os.environ), capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_executions_are_found_by_their_ids(layout: Layout) -> None:
    """EXE-10: the helper of these tests makes the ids that entries have."""
    assert put_execution(layout, 1, []) == execution_rid(1)
    assert read(layout) == []
