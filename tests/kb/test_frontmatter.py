"""Where frontmatter begins and ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.kb.frontmatter import split

_LINES = st.lists(
    st.sampled_from(["---", "--- ", "...", "a: 1", "", "----", " ---", "## Links", "text"]),
    max_size=10,
)


@given(st.text() | _LINES.map("\n".join) | _LINES.map("\r\n".join), st.sampled_from(["", "\ufeff"]))
def test_pieces_join_to_the_file(text: str, mark: str) -> None:
    """VAL-07: splitting loses nothing, whatever the file."""
    parts = split(mark + text)
    assert parts.text == mark + text
    assert parts.body_line == (mark + text)[: len(mark + text) - len(parts.body)].count("\n") + 1


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n")), max_size=5).filter(
        lambda lines: not any(line.rstrip(" \t") in ("---", "...") for line in lines)
    ),
    st.text(),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\ufeff"]),
)
def test_finds_what_stands_between_the_fences(
    lines: list[str], body: str, newline: str, mark: str
) -> None:
    """VAL-07: Windows line endings and a byte order mark are no fault."""
    yaml = "".join(line + newline for line in lines)
    parts = split(f"{mark}---{newline}{yaml}---{newline}{body}")
    assert (parts.problem, parts.yaml, parts.body) == (None, yaml, body)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "missing"),
        ("# A title\n", "missing"),
        ("\n---\na: 1\n---\n", "missing"),
        ("----\na: 1\n---\n", "missing"),
        ("---\na: 1\n", "unterminated"),
        ("---", "unterminated"),
        ("---\na: 1\n ---\n", "unterminated"),
        ("---\n---", None),
        ("---\na: 1\n...\nbody", None),
    ],
)
def test_missing_and_unterminated(text: str, problem: str | None) -> None:
    """VAL-07: each is said, none is a crash."""
    assert split(text).problem == problem
