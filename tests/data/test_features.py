"""Definitions of features: made once, the same in every clone, never changed (EXE-25)."""

from __future__ import annotations

import json
import re
from typing import Any, Optional

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.data.features import create_feature, list_features, lookup_feature
from aexp.errors import CorruptDataError, FeatureError, NotFoundError, UnsafeValueError
from aexp.ledger.features import decode_feature, feature_path
from aexp.ledger.verify import verify_ledger
from aexp.model.canonical import canonical_bytes
from aexp.model.entry import record_digest
from aexp.model.feature import (
    KINDS,
    RESERVED,
    Column,
    FeatureDefinition,
    define,
    difference,
    from_json,
    is_name,
    parse_type,
)
from aexp.repo import Layout, open_layout
from tests.support.machines import Machine
from tests.support.race import run_aexp_together
from tests.support.sealed import CHECKOUT

GRADES = ["Mild", "Moderate", "Severe"]


@pytest.fixture
def layout(installed_repo: Machine) -> Layout:
    return open_layout(installed_repo.path)


# --- types ---------------------------------------------------------------------------------


def test_every_way_to_write_a_type() -> None:
    """EXE-25: columns are vocabularies, plain types or assets; any may be optional."""
    made = define(
        "Image",
        "Reading",
        {
            "grade": GRADES,
            "grade_2": ["Mild", "Severe", None],
            "tags": {"b", "a"},
            "note": str,
            "area": float | None,
            "score": Optional[float],  # noqa: UP045
            "lesions": "int",
            "sure": "bool?",
            "mask": "asset:Mask",
            "overlay": "asset?:Image",
            "side": "term?: left , right",
        },
        description="  What a reader saw. ",
    )
    assert [(column.name, column.type_text) for column in made.columns] == [
        ("grade", "term:Mild,Moderate,Severe"),
        ("grade_2", "term?:Mild,Severe"),
        ("tags", "term:a,b"),
        ("note", "str"),
        ("area", "float?"),
        ("score", "float?"),
        ("lesions", "int"),
        ("sure", "bool?"),
        ("mask", "asset:Mask"),
        ("overlay", "asset?:Image"),
        ("side", "term?:left,right"),
    ]
    assert made.asset_columns == ("mask", "overlay")
    assert made.description == "What a reader saw."


def test_one_type_is_a_column_called_like_the_feature() -> None:
    """EXE-25: the usual feature has one column."""
    assert define("Image", "Grade", GRADES).columns == (
        Column("Grade", "term", False, tuple(GRADES)),
    )
    assert define("Image", "Score", float).columns == (Column("Score", "float"),)


@pytest.mark.parametrize(
    ("target", "name", "columns"),
    [
        ("", "Grade", float),
        ("a/b", "Grade", float),
        ("..", "Grade", float),
        ("Image", "2nd", float),
        ("Image", "class", float),
        ("Image", "model_x", float),
        ("Image", "con", float),
        ("Image", "x" * 65, float),
        ("Image", 3, float),
        ("Image", "Grade", None),
        ("Image", "Grade", {}),
        ("Image", "Grade", []),
        ("Image", "Grade", [None]),
        ("Image", "Grade", ["Mild", 3]),
        ("Image", "Grade", ["Mild", "Mild"]),
        ("Image", "Grade", [" Mild"]),
        ("Image", "Grade", ["two\nlines"]),
        ("Image", "Grade", [""]),
        ("Image", "Grade", ["x" * 257]),
        ("Image", "Grade", list),
        ("Image", "Grade", float | int),
        ("Image", "Grade", b"float"),
        ("Image", "Grade", "number"),
        ("Image", "Grade", "term"),
        ("Image", "Grade", "float:3"),
        ("Image", "Grade", "asset:"),
        ("Image", "Grade", "asset:../x"),
        ("Image", "Grade", {"Image": float}),
        ("Image", "Grade", {"a": float, "A": float}),
        ("Image", "Grade", {1: float}),
        ("Image", "Grade", {"copy": float}),
        ("Image", "Grade", {f"c{i}": float for i in range(101)}),
    ],
)
def test_what_cannot_be_a_feature(target: Any, name: Any, columns: Any) -> None:
    """EXE-25: a definition that no record could be made of is refused, in one line."""
    with pytest.raises(FeatureError) as error:
        define(target, name, columns)
    assert "\n" not in error.value.message


def test_what_no_file_may_be_called(layout: Layout) -> None:
    """Trap 18: the names of targets and features are names of files, those of columns are not."""
    for target, name in (("Aux", "Grade"), ("Image", "com1")):
        with pytest.raises(FeatureError, match="no file can"):
            create_feature(layout, target, name, float)
    create_feature(layout, "Image", "Grade", {"aux": float})


def test_no_column_hides_what_every_record_class_has() -> None:
    """EXE-25: the words that are kept free are those that pydantic's classes use."""
    names = {name for name in dir(pydantic.BaseModel) if is_name(name)}
    assert {name for name in names if not name.startswith("model_")} <= RESERVED


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: name not in RESERVED and not name.startswith("model_")
)
terms = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp", "Zs")), min_size=1, max_size=9
)
columns = st.one_of(
    st.builds(Column, names, st.sampled_from(KINDS[:4]), st.booleans()),
    st.builds(
        lambda name, optional, known: Column(name, "term", optional, tuple(known)),
        names, st.booleans(), st.lists(terms, min_size=1, unique=True),
    ),
    st.builds(
        lambda name, optional: Column(name, "asset", optional, asset="Mask"), names, st.booleans()
    ),
)  # fmt: skip
definitions = st.builds(
    FeatureDefinition,
    st.just("Target"),
    st.just("Feature"),
    st.lists(columns, min_size=1, max_size=6, unique_by=lambda c: c.name.casefold())
    .filter(lambda many: all(c.name.casefold() != "target" for c in many))
    .map(tuple),
    st.sampled_from(["", "What it means."]),
)


@given(definitions)
def test_a_record_says_all_of_a_definition(definition: FeatureDefinition) -> None:
    """EXE-25: what is written of a feature is read back as it was."""
    try:
        data = canonical_bytes(definition.to_json())
    except ValueError:
        return
    again = from_json(json.loads(data))
    assert again == definition
    assert difference(definition, again) is None
    for column in definition.columns:
        if "," not in "".join(column.terms):
            assert parse_type(column.name, column.type_text) == column


@given(definitions, definitions)
def test_a_difference_is_always_seen(one: FeatureDefinition, other: FeatureDefinition) -> None:
    """EXE-25: only the order of columns, and silence about the meaning, make no difference."""
    is_same = set(one.columns) == set(other.columns) and other.description in ("", one.description)
    assert (difference(one, other) is None) == is_same


# --- the record ----------------------------------------------------------------------------


def test_a_feature_is_a_record_of_the_ledger(layout: Layout) -> None:
    """EXE-25: the record proves itself and holds nothing of the machine that wrote it."""
    create_feature(layout, "Image", "Glaucoma_Grade", GRADES, description="By one reader.")
    path = feature_path(layout, "Image", "Glaucoma_Grade")
    value = json.loads(path.read_bytes())
    assert layout.relative(path) == ".aexp/ledger/features/Image/Glaucoma_Grade.json"
    assert value == {
        "schema_version": 1,
        "kind": "feature",
        "target": "Image",
        "name": "Glaucoma_Grade",
        "columns": [{"name": "Glaucoma_Grade", "type": "term", "terms": GRADES}],
        "description": "By one reader.",
        "record_digest": record_digest(value),
    }
    found = lookup_feature(layout, "Image", "Glaucoma_Grade")
    assert (found.target, found.name, found.description) == (
        *("Image", "Glaucoma_Grade"), "By one reader.",
    )  # fmt: skip
    assert [column.terms for column in found.columns] == [tuple(GRADES)]
    assert list_features(layout) == [found]


def test_made_again_unchanged_it_stays(layout: Layout) -> None:
    """EXE-25: creating a feature again is fine, whatever the order of its columns."""
    first = create_feature(
        layout, "Image", "Reading", {"grade": GRADES, "sure": bool}, description="d"
    )
    path = feature_path(layout, "Image", "Reading")
    before = path.stat().st_mtime_ns, path.read_bytes()
    again = create_feature(layout, "Image", "Reading", {"sure": bool, "grade": GRADES})
    assert again == first
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"grade": GRADES}, "has the column sure"),
        ({"grade": GRADES, "sure": bool, "note": str}, "has no column note"),
        ({"grade": GRADES, "sure": bool | None}, "sure is bool, not bool?"),
        ({"grade": [*GRADES, "None"], "sure": bool}, "grade is term:Mild,Moderate,Severe, not"),
        ({"grade": GRADES[::-1], "sure": bool}, "grade is term:Mild,Moderate,Severe, not"),
    ],
)
def test_a_feature_never_changes(layout: Layout, columns: Any, said: str) -> None:
    """EXE-25: another definition under the same name is refused, and says what differs."""
    create_feature(layout, "Image", "Reading", {"grade": GRADES, "sure": bool})
    before = feature_path(layout, "Image", "Reading").read_bytes()
    with pytest.raises(FeatureError, match=re.escape(said)):
        create_feature(layout, "Image", "Reading", columns)
    assert feature_path(layout, "Image", "Reading").read_bytes() == before


def test_names_that_differ_in_capitals_alone(layout: Layout) -> None:
    """EXE-25: on some file systems they would be one file."""
    create_feature(layout, "Image", "Grade", float)
    for target, name in (("image", "Other"), ("Image", "GRADE")):
        with pytest.raises(FeatureError, match="in capitals alone"):
            create_feature(layout, target, name, float)
    assert [f.definition.key for f in list_features(layout)] == ["Image/Grade"]


def test_what_must_not_be_published_is_refused(layout: Layout) -> None:
    """Trap 17: the record goes where everybody reads."""
    for text in ("ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8", f"see {layout.root}/notes.md"):
        with pytest.raises(UnsafeValueError):
            create_feature(layout, "Image", "Grade", float, description=text)
        with pytest.raises(UnsafeValueError):
            create_feature(layout, "Image", "Grade", [text])
    assert list_features(layout) == []


@pytest.mark.parametrize("name", ["None", "../Grade", "a/b", "x\0y", ""])
def test_a_feature_that_is_not_there(layout: Layout, name: str) -> None:
    """EXE-25: whatever the name, nothing but a record of a feature is looked at."""
    with pytest.raises(NotFoundError, match="there is no feature"):
        lookup_feature(layout, "Image", name)


def test_a_name_that_is_almost_right(layout: Layout) -> None:
    """Trap 32: the hint says which feature may be meant."""
    create_feature(layout, "Image", "Glaucoma_Grade", float)
    for target, name in (("image", "glaucoma_grade"), ("Image", "Glaucoma_Grades")):
        with pytest.raises(NotFoundError) as error:
            lookup_feature(layout, target, name)
        assert "did you mean Image/Glaucoma_Grade?" in str(error.value.hint)


def test_a_damaged_record_is_no_feature(layout: Layout) -> None:
    """LED-12: `ledger verify` finds it, the others are listed, and asking for it says so."""
    create_feature(layout, "Image", "Good", float)
    create_feature(layout, "Image", "Grade", GRADES)
    path = feature_path(layout, "Image", "Grade")
    path.write_bytes(path.read_bytes().replace(b"Moderate", b"Middling"))
    stray = feature_path(layout, "Image", "Other")
    stray.write_bytes(feature_path(layout, "Image", "Good").read_bytes())
    moved = feature_path(layout, "Eye", "Good")
    moved.parent.mkdir()
    moved.write_bytes(stray.read_bytes())
    (layout.ledger_dir / "features" / "x.json").write_text("{}")
    with pytest.raises(CorruptDataError, match=r"Grade\.json: its content does not match"):
        lookup_feature(layout, "Image", "Grade")
    with pytest.raises(CorruptDataError):
        create_feature(layout, "Image", "Grade", GRADES)
    assert [f.name for f in list_features(layout)] == ["Good"]
    report = verify_ledger(layout)
    assert {(p.code, p.path.rpartition("/")[2]) for p in report.problems} == {
        ("ledger.malformed", "Grade.json"),
        ("ledger.malformed", "Other.json"),
        ("ledger.malformed", "Good.json"),
        ("ledger.malformed", "x.json"),
    }


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("term"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["target", "name", "columns", "type", "terms", "asset", "optional"]), inner
    ),
))  # fmt: skip
def test_no_content_crashes_the_reader(value: Any) -> None:
    """VAL-08: whatever a record holds, it is a feature or a CorruptDataError."""
    record = value if isinstance(value, dict) else {"columns": value}
    record = {**record, "schema_version": 1, "kind": "feature", "target": "T", "name": "N"}
    record["record_digest"] = record_digest(record)
    try:
        found = decode_feature("T/N", json.dumps(record).encode())
    except CorruptDataError:
        return
    assert found.definition.columns


def test_two_that_define_one_name_at_once(installed_repo: Machine) -> None:
    """EXE-25: of two definitions one stands, whole; the other one is refused."""
    kinds = ["float", "int", "float", "int"]
    done = run_aexp_together(
        [
            (installed_repo.path, ("feature", "create", "Image", "Score", "--column", f"x={kind}"))
            for kind in kinds
        ]
    )
    won = lookup_feature(open_layout(installed_repo.path), "Image", "Score").columns[0].kind
    assert [one.returncode for one in done] == [0 if kind == won else 2 for kind in kinds]


# --- the command line ----------------------------------------------------------------------


def test_create_list_and_show(installed_repo: Machine) -> None:
    """EXE-25: a feature is made and seen without Python, and without pydantic."""
    made = installed_repo.aexp_fast(
        *("feature", "create", "Image", "Reading", "--description", "By one reader."),
        *(
            "--column",
            "grade=term:Mild,Severe",
            "--column",
            "area=float?",
            "--column",
            "mask=asset:Mask",
        ),
    )
    assert ".aexp/ledger/features/Image/Reading.json" in made.stdout
    listed = json.loads(installed_repo.aexp_fast("feature", "list", "--format", "json").stdout)
    assert listed == [
        {
            "target": "Image",
            "name": "Reading",
            "description": "By one reader.",
            "columns": [
                {"name": "grade", "type": "term", "terms": ["Mild", "Severe"]},
                {"name": "area", "type": "float", "optional": True},
                {"name": "mask", "type": "asset", "asset": "Mask"},
            ],
            "values": 0,
            "executions": [],
        }
    ]
    shown = installed_repo.aexp_fast("feature", "show", "Image", "Reading").stdout
    assert "term:Mild,Severe" in shown and "no values yet" in shown and "By one reader." in shown
    assert "Reading" in installed_repo.aexp_fast("feature", "list").stdout
    assert (
        "no values of Image/Reading"
        in installed_repo.aexp_fast("feature", "values", "Image", "Reading").stdout
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "Image", "Grade", "--column", "float"), "names no type"),
        (("create", "Image", "Grade", "--column", "a=float", "--column", "a=int"), "twice"),
        (("create", "Image", "Grade", "--column", "a=number"), "is no type"),
        (("create", "Image", "Grade"), "--column"),
        (("create", "Image", "class", "--column", "a=int"), "cannot be called class"),
    ],
)
def test_mistakes(installed_repo: Machine, arguments: tuple[str, ...], said: str) -> None:
    """Trap 32: one line and a hint, exit 2, and nothing was written."""
    done = installed_repo.aexp_fast("feature", *arguments, check=False).require(2)
    error, hint = done.stderr.strip().split("\n")
    assert error.startswith("error: ") and said in error and hint.startswith("hint: ")
    assert installed_repo.aexp_fast("feature", "list").stdout.startswith("no features")


def test_a_feature_is_carried_by_backfill_and_accepted_by_validate(installed_repo: Machine) -> None:
    """EXE-25, model.md 2: records of features travel with the ledger, and nobody minds them."""
    installed_repo.aexp_fast("feature", "create", "Image", "Grade", "--column", "grade=float")
    installed_repo.aexp_fast("ledger", "backfill")
    assert installed_repo.status() == ""
    names = installed_repo.git("show", "--name-only", "--format=", "HEAD").stdout.split()
    assert names == [".aexp/ledger/features/Image/Grade.json"]
    assert (
        json.loads(installed_repo.aexp_fast("validate", "--format", "json").stdout)["issues"] == []
    )
    assert json.loads(installed_repo.aexp_fast("ledger", "verify", "--format", "json").stdout)["ok"]


def test_the_example_of_the_format_page_is_a_record() -> None:
    """Style: a format has a page, and what it shows is read by the program."""
    page = (CHECKOUT / "docs/format/feature.md").read_text("utf-8")
    found = re.search(r"```json\n(\{\n.*?\n\})\n```", page, re.DOTALL)
    assert found is not None
    data = found[1].encode() + b"\n"
    assert canonical_bytes(json.loads(data)) == data
    definition = decode_feature("Image/Glaucoma_Grade", data).definition
    assert [c.type_text for c in definition.columns] == ["term:Mild,Severe", "asset?:Mask"]
