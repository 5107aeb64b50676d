"""The formats of ``aexp validate`` for programs and services (VAL-01)."""

from __future__ import annotations

import json
import os
import re
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.model.issue import Issue
from aexp.validate import CODES, ValidationResult
from aexp.validate.engine import _in_order
from aexp.validate.github import as_github
from aexp.validate.render import as_json, as_text, printable
from aexp.validate.sarif import ANYWHERE, as_sarif, fingerprint
from tests.validate.sarif_shape import check_log
from tests.validate.world import World, batch, job, point

Seen = tuple[str, str, str, int]
"""Severity, code, path and line of an issue."""

odd_text = st.text(st.sampled_from("abc :,%[](){}<>#&=?\r\n\té🧪\"'`|\\;\x1b\u2028"), max_size=30)
paths = st.one_of(
    st.just(""),
    st.sampled_from(["kb/research/findings/F001.md", ".aexp/ledger/x.json"]),
    odd_text.map(lambda name: f"kb/{name}"),
    st.binary(max_size=8).filter(lambda b: b"\0" not in b).map(lambda b: "kb/" + os.fsdecode(b)),
)
details = st.fixed_dictionaries(
    {},
    optional={
        "line": st.integers(0, 99) | st.none() | st.text(max_size=2),
        "column": st.integers(0, 9),
        "job_id": st.sampled_from(["a" * 32, "b" * 32]),
        "index": st.integers(0, 9),
        "target": st.just("F001"),
    },
)
issues = st.lists(
    st.builds(
        Issue,
        st.sampled_from(sorted(CODES)),
        st.sampled_from(["error", "warning"]),
        odd_text.map(lambda words: "x" + words),
        paths,
        details,
    ),
    max_size=12,
)


def line_of(issue: Issue) -> int:
    line = issue.detail.get("line")
    return line if isinstance(line, int) else 0


def from_sarif(result: dict[str, Any]) -> Seen:
    place = result["locations"][0]["physicalLocation"]
    path = os.fsdecode(unquote_to_bytes(place["artifactLocation"]["uri"]))
    return result["level"], result["ruleId"], path, place["region"]["startLine"]


def from_github(line: str) -> tuple[Seen, str]:
    """Take a workflow command apart as GitHub's runner does."""
    found = re.fullmatch(r"::(error|warning) ([^\r\n]*?)::([^\r\n]*)", line)
    assert found is not None, line
    properties = dict(pair.split("=", 1) for pair in found[2].split(","))
    for code, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        properties = {key: value.replace(code, char) for key, value in properties.items()}
    message = found[3].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    place = (properties.get("file", ""), int(properties.get("line", 0)))
    return (found[1], properties["title"], *place), message


@given(issues)
def test_all_formats_show_the_same_issues(found: list[Issue]) -> None:
    """VAL-01: in the same order, with the same code, severity, path and line, in each format."""
    result = ValidationResult(_in_order(found))
    wanted = [(i.severity, i.code, i.path, line_of(i)) for i in result.issues]

    document = json.loads(json.dumps(as_json(result)))
    assert [(i["severity"], i["code"], i["path"]) for i in document["issues"]] == [
        seen[:3] for seen in wanted
    ]
    assert [i["message"] for i in document["issues"]] == [i.message for i in result.issues]

    log = json.loads(json.dumps(as_sarif(result, CODES, version="1.0")))
    check_log(log)
    assert [from_sarif(r) for r in log["runs"][0]["results"]] == [
        (severity, code, path or ANYWHERE, line or 1) for severity, code, path, line in wanted
    ]

    *commands, last = as_github(result, CODES)
    read = [from_github(line) for line in commands]
    assert [seen for seen, _ in read] == [
        (severity, code, path.encode("utf-8", "replace").decode(), line if path else 0)
        for severity, code, path, line in wanted
    ]
    for (_, message), issue in zip(read, result.issues, strict=True):
        assert message == f"{printable(issue.message)}\nTo mend it: {CODES[issue.code].mend}"
    assert last == list(as_text(result, CODES))[-1]

    shown = [line.split()[:2] for line in as_text(result, CODES) if line.startswith(("  E", "  W"))]
    assert sorted(shown) == sorted([severity.upper(), code] for severity, code, _, _ in wanted)


def test_fingerprints_outlive_edits() -> None:
    """VAL-01: an alert stays the same when lines move; two alike in one file stay two."""
    code, path = "finding.broken_run_citation", "kb/F001.md"

    def cited(job_id: str, index: int, line: int, message: str = "x") -> Issue:
        detail = {"job_id": job_id, "index": index, "line": line}
        return Issue(code, "error", message, path, detail)

    assert fingerprint(cited("a", 0, 9)) == fingerprint(cited("a", 3, 12, "y"))
    assert fingerprint(cited("a", 0, 9)) != fingerprint(cited("b", 0, 9))
    twice = ValidationResult((cited("a", 0, 9), cited("a", 1, 10)))
    results = as_sarif(twice, CODES, version="1")["runs"][0]["results"]
    prints = [r["partialFingerprints"]["primaryLocationLineHash"] for r in results]
    assert [p.split(":")[1] for p in prints] == ["1", "2"]
    assert len({p.split(":")[0] for p in prints}) == 1


def test_the_rules_are_the_table() -> None:
    """VAL-01: every code is a rule with its meaning, how to mend it and its usual level."""
    [run] = as_sarif(ValidationResult(()), CODES, version="1.2")["runs"]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert rules.keys() == CODES.keys()
    for code, info in CODES.items():
        assert info.mend in rules[code]["help"]["text"]
        assert rules[code]["fullDescription"]["text"] == info.meaning
        assert rules[code]["defaultConfiguration"]["level"] == info.severity
    assert run["tool"]["driver"]["semanticVersion"] == "1.2"


def test_a_hostile_name_makes_no_command() -> None:
    """VAL-01: what a file is called, or a message says, never begins a command of its own."""
    issue = Issue("index.malformed", "warning", "x\n::error::pwned\r\n::set-env", "a\n::error::b,c")
    lines = list(as_github(ValidationResult((issue,)), CODES))
    assert len(lines) == 2
    assert not any("\n" in line or "\r" in line for line in lines)
    assert lines[0].startswith("::warning file=a%0A%3A%3Aerror%3A%3Ab%2Cc,title=index.malformed::")


def test_on_the_command_line(world: World) -> None:
    """VAL-01: the same exit status in each format; SARIF and JSON are one document each."""
    world.store()
    bad = world.entry(point())
    world.machine.write(f".aexp/ledger/{bad}.json", "{}")
    world.artifacts([job("a" * 32), batch({"condition": "[x](y)"})])
    path = world.root / "kb/research/findings/F001-words.md"
    path.rename(path.with_name("F001-100% é, b: c.md"))
    world.commit()
    shown = {
        name: world.machine.aexp_fast("validate", "--format", name, check=False).require(1).stdout
        for name in ("json", "sarif", "github", "text")
    }
    log = json.loads(shown["sarif"])
    check_log(log)
    expected = [
        (i["severity"], i["code"], i["path"], i["detail"].get("line", 0))
        for i in json.loads(shown["json"])["issues"]
    ]
    assert len(expected) == 3
    assert {line for *_, line in expected} == {0, 9}
    assert [from_github(line)[0] for line in shown["github"].splitlines()[:-1]] == expected
    assert [from_sarif(r) for r in log["runs"][0]["results"]] == [
        (*seen, line or 1) for *seen, line in expected
    ]
    assert "F001-100%25%20%C3%A9%2C%20b%3A%20c.md" in shown["sarif"]
    (world.root / f".aexp/ledger/{bad}.json").unlink()
    world.artifacts()
    path.with_name("F001-100% é, b: c.md").unlink()
    clean = {n: world.machine.aexp_fast("validate", "--format", n).stdout for n in shown}
    assert clean["github"] == clean["text"] == "0 errors, 0 warnings (0 findings, 0 runs checked)\n"
    assert json.loads(clean["json"])["issues"] == []
    assert json.loads(clean["sarif"])["runs"][0]["results"] == []


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (
            "supporting_runs:\n  - {type: job, id: x}\n\n  # two\n  - type: job\n    id: y\n",
            [9, 12],
        ),
        ("supporting_runs:\n- type: job\n  id: x\n- - deeper\n- \n- {}\n", [9, 11, 12, 13]),
        ("supporting_runs: [{type: job}, 3]\n", [8, 8]),
        ("supporting_runs:\n  [{type: job},\n   3]\n", [8, 8]),
        ("supporting_runs:\r\n  - x\r\n  - y\r\n", [9, 10]),
        ('"supporting_runs": 7\n', [8]),
        ("supporting_runs:\n  type: job\n  id: x\n", [8]),
        ("supporting_runs: &a\n  - >-\n    - no\n  - |\n    - no\n  - b\n", [9, 11, 13]),
        ("? supporting_runs\n: - 3\n", [None]),
    ],
)
def test_the_line_of_a_citation(world: World, written: str, lines: list[int | None]) -> None:
    """VAL-01, VAL-02: each issue names its citation's line in the file, when it can be told."""
    world.artifacts([])
    path = world.root / "kb/research/findings/F001-words.md"
    head, rest = path.read_text("utf-8").split("supporting_runs: []\n")
    head = head.replace("tags: []\n", "")
    path.write_bytes((head + written + rest).encode())
    found = world.issues("finding.broken_run_citation")
    assert [i.detail["index"] for i in found] == list(range(len(lines)))
    assert [i.detail.get("line") for i in found] == lines


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("output", ["json", "sarif"])
def test_documents_in_any_encoding(world: World, output: str, encoding: str) -> None:
    """VAL-01: where the output cannot hold a letter, JSON's own escape stands for it."""
    world.machine.write("kb/research/findings/é→🧪.md", "x")
    env = {"PYTHONIOENCODING": encoding}
    done = world.machine.aexp("validate", "--format", output, env=env, check=False).require(1)
    value = json.loads(done.stdout)
    if output == "json":
        assert {i["path"] for i in value["issues"]} == {"kb/research/findings/é→🧪.md"}
    else:
        check_log(value)
