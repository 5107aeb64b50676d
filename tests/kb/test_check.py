"""VAL-07: the structure of ``kb/``."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexp.validate.codes import CODES
from aexp.validate.kb import check_artifacts
from tests.kb.shapes import (
    CLEAN,
    EXPERIMENT,
    EXPERIMENTS,
    FINDING,
    FINDINGS,
    HYPOTHESES,
    HYPOTHESIS,
    artifacts_of,
    codes_of,
    old_template,
    write_all,
)

H, E, F = f"{HYPOTHESES}/H001-wider.md", f"{EXPERIMENTS}/E001.md", f"{FINDINGS}/F001.md"


def test_a_clean_kb_has_no_issue(tmp_path: Path) -> None:
    """VAL-07: nothing to say is nothing said; an empty repository too."""
    assert codes_of(tmp_path) == []
    write_all(tmp_path, dict(CLEAN))
    assert codes_of(tmp_path) == []


def test_artifacts_of_the_older_tool_are_clean(tmp_path: Path) -> None:
    """Model, decision 1: repositories of 0.6.x validate, links to other notes included."""
    links = {"hypothesis": "E001 F001", "experiment": "H001 F001", "finding": "H001 E001"}
    for kind, path in (("hypothesis", H), ("experiment", E), ("finding", F)):
        names = ["ACTIVE", "CHALLENGE", "T001", *links[kind].split()]
        text = old_template(kind).replace(
            "{LINKS_BLOCK}", "\n".join(f"- [[{name}]]" for name in names)
        )
        for word, value in (
            ("ARTIFACT_ID", {"h": "H001", "e": "E001", "f": "F001"}[kind[0]]),
            ("HYPOTHESIS_ID", "H001"),
            ("EXPERIMENT_ID", "E001"),
        ):
            text = text.replace(f"{{{word}}}", value)
        write_all(tmp_path, {path: text})
    assert codes_of(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "wanted"),
    [
        (H, 'id: "H001"\n', "", [("kb.missing_field", "H001-wider.md")]),
        (H, 'id: "H001"\n', "id:\n", [("kb.missing_field", "H001-wider.md")]),
        (H, 'id: "H001"', "id: H002", [("kb.id_mismatch", "H001-wider.md")]),
        (H, 'id: "H001"', "id: 1", [("kb.id_mismatch", "H001-wider.md")]),
        (H, '["H001"]', '["H002"]', [("kb.alias_missing", "H001-wider.md")]),
        (H, '["H001"]', "[]", [("kb.alias_missing", "H001-wider.md")]),
        (H, 'aliases: ["H001"]\n', "", [("kb.alias_missing", "H001-wider.md")]),
        (H, "type: hypothesis\n", "", [("kb.missing_field", "H001-wider.md")]),
        (H, "type: hypothesis", "type: finding", [("kb.type_mismatch", "H001-wider.md")]),
        (H, "## Statement", "### Statement", []),
        (H, "## Statement", "## Claim", [("kb.missing_heading", "H001-wider.md")]),
        (H, "## Statement", "```\n## Statement\n```", [("kb.missing_heading", "H001-wider.md")]),
        (H, "- [[F001]]\n", "", [("kb.missing_backlink", "H001-wider.md")]),
        (H, "- [[F001]]\n", "- [[F001-slug|the finding]]\n", []),
        (H, "- [[F001]]\n", "- [[F001]]\n- [[F099]]\n", [("kb.broken_link", "H001-wider.md")]),
        (H, "- [[F001]]\n", "- [[F001]]\n- [[ACTIVE]] [[T001]] `[[F099]]`\n", []),
        (E, "hypothesis: H001\n", "", [("kb.missing_field", "E001.md")]),
        (E, "hypothesis: H001", "hypothesis: H009", [("kb.missing_parent", "E001.md")]),
        (E, "hypothesis: H001", "hypothesis: F001", [("kb.missing_parent", "E001.md")]),
        (E, "hypothesis: H001", "hypothesis: [H001]", [("kb.missing_parent", "E001.md")]),
        (E, "  small: {lr: 0.2}", "  small: 3", [("kb.bad_conditions", "E001.md")]),
        (E, "- [[H001]]\n", "", [("kb.missing_backlink", "E001.md")]),
        (F, "experiment: E001\n", "experiment: E002\n", [("kb.missing_parent", "F001.md")]),
        (F, "## Links", "## links", []),
        (F, "id: F001\n", "id: [\n", [("kb.yaml_error", "F001.md")]),
        (F, "---\n\n", "\n", [("kb.missing_frontmatter", "F001.md")]),
    ],
)
def test_each_problem_is_its_own_issue(
    tmp_path: Path, path: str, old: str, new: str, wanted: list[tuple[str, str]]
) -> None:
    """VAL-07: one fault, one issue, one code."""
    assert CLEAN[path].count(old) >= 1
    write_all(tmp_path, {**CLEAN, path: CLEAN[path].replace(old, new, 1)})
    assert codes_of(tmp_path) == wanted


def test_several_problems_are_all_reported(tmp_path: Path) -> None:
    """Trap 3: one bad file hides nothing in another, nor a second fault of its own."""
    write_all(
        tmp_path,
        {
            H: HYPOTHESIS.replace("## Statement", "## X").replace("## Test Plan", "## Y"),
            E: b"\xff\xfe",
            F: FINDING.replace("H001", "H404"),
        },
    )
    assert codes_of(tmp_path) == [
        ("kb.not_utf8", "E001.md"),
        ("kb.missing_parent", "F001.md"),
        ("kb.broken_link", "F001.md"),
        ("kb.missing_heading", "H001-wider.md"),
        ("kb.missing_heading", "H001-wider.md"),
    ]


def test_duplicate_ids_are_reported_for_every_file(tmp_path: Path) -> None:
    """Trap 21: two clones made an F001 each; both files are named, and each other's path."""
    other = f"{FINDINGS}/F001-other.md"
    write_all(tmp_path, {**CLEAN, other: FINDING})
    issues = check_artifacts(artifacts_of(tmp_path))
    assert [(i.code, i.path) for i in issues] == [
        ("kb.duplicate_id", other),
        ("kb.duplicate_id", F),
    ]
    assert issues[0].detail["others"] == [F]


def test_a_stray_note_is_one_issue_and_a_misnamed_finding_keeps_its_others(tmp_path: Path) -> None:
    """Trap 30: a misnamed finding is an error; a note there is asked to move, once."""
    write_all(tmp_path, {**CLEAN, f"{FINDINGS}/notes.md": "# Just notes\n"})
    assert codes_of(tmp_path) == [("kb.bad_filename", "notes.md")]
    text = FINDING.replace("experiment: E001", "experiment: E404")
    write_all(tmp_path, {f"{FINDINGS}/notes.md": text})
    assert codes_of(tmp_path) == [
        ("kb.bad_filename", "notes.md"),
        ("kb.missing_parent", "notes.md"),
    ]


def test_near_matches_and_lines_are_told(tmp_path: Path) -> None:
    """VAL-07: an issue says where, and what was probably meant."""
    write_all(tmp_path, {**CLEAN, E: EXPERIMENT.replace("hypothesis: H001", "hypothesis: H01")})
    (issue,) = check_artifacts(artifacts_of(tmp_path))
    assert "did you mean H001?" in issue.message
    write_all(tmp_path, {**CLEAN, H: HYPOTHESIS + "- [[E404]]\n"})
    (issue,) = check_artifacts(artifacts_of(tmp_path))
    last = (HYPOTHESIS + "- [[E404]]\n").count("\n")
    assert (issue.path, issue.detail["line"]) == (H, last)
    assert issue.severity == "error"


_JUNK = st.sampled_from(
    [
        "---\n",
        "id: F001\n",
        "id: [1\n",
        "aliases: F001\n",
        "aliases: {a: 1}\n",
        "type: 3\n",
        "hypothesis: H001\n",
        "hypothesis: {a: [b]}\n",
        "experiment: 7\n",
        "conditions: [x]\n",
        "## Links\n",
        "[[F001]] [[H999]]\n",
        "```\n",
        "<<<<<<< x\n=======\n>>>>>>> y\n",
        "\xe9\n",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.dictionaries(st.sampled_from([H, E, F, f"{FINDINGS}/x.md"]), st.lists(_JUNK), max_size=4))
def test_no_file_crashes_validation(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, list[str]]
) -> None:
    """Trap 3: whatever the files hold, each issue has a known code, a path and one line."""
    root = tmp_path_factory.mktemp("kb")
    write_all(root, {path: "".join(lines).encode("latin-1") for path, lines in files.items()})
    issues = check_artifacts(artifacts_of(root))
    assert issues == sorted(issues, key=lambda issue: issue.sort_key())
    for issue in issues:
        assert issue.code in CODES
        assert issue.path in files
        assert "\n" not in issue.message
