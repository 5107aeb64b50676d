"""The one door to YAML."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp import yaml
from aexp.errors import CorruptDataError
from aexp.model.values import parse_value

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


def test_plain_data_and_dates_stay_text() -> None:
    """VAL-07: frontmatter is plain Python data; a date is the text it is."""
    text = "day: 2026-01-31\nwhen: 2026-01-31T10:00:00Z\nn: [1, 0.5, 1e-3, true, ~]\ne:\n"
    value = yaml.load(text)
    assert value == {
        "day": "2026-01-31",
        "when": "2026-01-31T10:00:00Z",
        "n": [1, 0.5, 0.001, True, None],
        "e": None,
    }
    assert type(value) is dict
    assert yaml.load("") is None
    assert yaml.load("# only a comment\n") is None


@pytest.mark.parametrize(
    "text", ["0", "-3", "+1", "1e-3", ".5", "5.", "007", "1_000", "0x1f", "0o7", "12:30", "1.2.3"]
)
def test_numbers_follow_the_rule_of_the_command_line(text: str) -> None:
    """Trap 16: ``seed: X`` in a file and ``--sp seed=X`` are one value of one type."""
    value, typed = yaml.load(f"seed: {text}")["seed"], parse_value(text)
    assert (value, type(value)) == (typed, type(typed))


def test_yaml_words() -> None:
    """YAML 1.2's spellings of booleans and non-finite numbers, and not the Norwegian ones."""
    assert yaml.load("[True, FALSE, no, on, Null]") == [True, False, "no", "on", None]
    assert yaml.load("[.inf, -.INF]") == [math.inf, -math.inf]
    assert math.isnan(yaml.load(".nan"))


def test_keys_are_text_and_merge_keys_work() -> None:
    """State point keys are always text."""
    assert yaml.load("1: a\ntrue: b") == {"1": "a", "true": "b"}
    assert yaml.load("b: &b {x: 1, y: 1}\nc: {<<: *b, y: 2}")["c"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: 1\nb: [1\nc: 2\n", 12, 2),
        ("a: 1\na: 2\n", 11, 1),
        ('a: "x\n', 11, 1),
        ("a: 1\n\tb: 2\n", 11, 1),
        ("a: 1\r\nb: 2\r\nb: 3\r\n", 12, 1),
        ("a: *nowhere\n", 10, 4),
        ("a: !!python/name:os.system\n", 10, 4),
        ("a: 1e999\n", 10, 4),
        ("a: \x00\n", 10, 4),
        ("a: 1\n---\nb: 2\n", 11, 1),
        ("? [a]\n: 1\n", 10, 3),
    ],
)
def test_errors_name_line_and_column_of_the_whole_file(text: str, line: int, column: int) -> None:
    """VAL-07: YAML errors with line and column."""
    with pytest.raises(yaml.YamlError) as caught:
        yaml.load(text, first_line=10)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert isinstance(caught.value, CorruptDataError)
    assert "\n" not in caught.value.message


def test_bombs_are_errors() -> None:
    """Aliases that stand for billions of values, endless ones and deep nests end in an error."""
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    for text in ("\n".join(levels), "a: &a [*a]", "[" * 3000, "{a: " * 3000):
        with pytest.raises(yaml.YamlError):
            yaml.load(text)


@given(
    st.text(max_size=60) | st.text(st.sampled_from("ab01:-?[]{}&*!|>'\"%@#,\n\t ~<."), max_size=30)
)
def test_any_text_is_data_or_a_yaml_error(text: str) -> None:
    """Traps 3, 29: no text crashes the reader, or makes it warn."""
    problem: yaml.YamlError | None = None
    try:
        yaml.load(text)
    except yaml.YamlError as error:
        problem = error
    assert problem is None or min(problem.line, problem.column) >= 1


@given(_DATA)
def test_flow_reads_back(value: Any) -> None:
    """What is written on one line is what is read."""
    text = yaml.flow(value)
    assert len(text.splitlines()) == 1
    assert yaml.load(f"- {text}") == [value]


@given(st.text(max_size=30))
def test_quote_reads_back_any_text(text: str) -> None:
    """KB-01: a title of any characters is a safe scalar."""
    assert yaml.load(f"a: {yaml.quote(text)} # c") == {"a": text}


_CONFIG = """\
# how we check
repos:
  - repo: 'https://example.org/x'  # pinned
    rev: "1.0"
    hooks:
      - id: tidy
        args: [--fast, '--deep']

  # last
  - repo: local
    hooks:
      - {id: own, entry: make}
"""


@pytest.mark.parametrize(
    "text",
    [
        _CONFIG,
        _CONFIG.replace("\n", "\r\n"),
        "repos:\n- repo: 'a'\n  hooks:\n  - id: \"b\"\n# end\n",
        "a:\n    b: 1\nrepos:\n    - repo: x\n      hooks: []\n",
    ],
)
def test_editing_changes_nothing_else(text: str) -> None:
    """INS-08: comments, order, quoting, indentation and line endings are kept."""
    assert yaml.edit_round_trip(text, lambda data: None) == text

    def add(data: Any) -> None:
        data["repos"].append({"repo": "new"})

    edited = yaml.edit_round_trip(text, add)
    kept = iter(edited.splitlines())
    assert all(line in kept for line in text.splitlines())
    assert len(edited.splitlines()) == len(text.splitlines()) + 1
    assert yaml.load(edited)["repos"][-1] == {"repo": "new"}
    assert ("\r\n" in edited) == ("\r\n" in text)


def test_editing_an_empty_file_and_a_broken_one() -> None:
    """INS-08: a new file can be made; a broken one is refused."""
    assert yaml.edit_round_trip("", lambda data: {"repos": []}) == "repos: []\n"
    with pytest.raises(yaml.YamlError):
        yaml.edit_round_trip("a: [", lambda data: None)


def test_ruamel_is_imported_late() -> None:
    """Start-up is a feature: nothing imports ruamel before YAML is read."""
    code = "import sys, aexp.yaml, aexp.kb, aexp.cli; print('ruamel.yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
