"""Headings, links, and the list of links."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.kb import markdown

_LINES = st.lists(
    st.sampled_from(
        [
            "## Links",
            "## Evidence",
            "# Top",
            "### Below",
            "",
            "- [[H001]]",
            "words",
            "  - [[E001]]",
            "<!-- [[F009]] -->",
            "`[[F008]]`",
            "\ttab",
            "## links ##",
        ]
    ),
    max_size=12,
)


def test_headings_and_links_outside_code() -> None:
    """VAL-07: code and comments hold neither headings nor links."""
    body = "\n".join(
        [
            "## One ##",
            "[[H001|the claim]] and [[E001#Results]] `[[F404]]` \\[[F405]] [[F001-some-words]]",
            "```md",
            "## Not this",
            "[[F406]]",
            "```",
            "<!-- [[F407]]",
            "## Nor this",
            "--> [[ACTIVE]]",
            "~~~",
            "```",
            "[[F408]]",
            "~~~",
            "## Two",
        ]
    )
    assert [text for _, _, text in markdown.headings(body)] == ["One", "Two"]
    assert markdown.links(body) == {"H001": 1, "E001": 1, "F001": 1, "ACTIVE": 8}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("## Links\n\n- [[H001]]\n", "## Links\n\n- [[H001]]\n- [[F001]]\n"),
        ("## Links\r\n\r\n- [[H001]]\r\n", "## Links\r\n\r\n- [[H001]]\r\n- [[F001]]\r\n"),
        ("## Links\n\n- [[H001]]", "## Links\n\n- [[H001]]\n- [[F001]]"),
        ("## Links\n\n", "## Links\n\n- [[F001]]\n"),
        ("## Links", "## Links\n\n- [[F001]]\n"),
        ("## Links\n", "## Links\n\n- [[F001]]\n"),
        ("## Links\n\n## Next\n", "## Links\n\n- [[F001]]\n\n## Next\n"),
        ("## Links\n## Next\n", "## Links\n\n- [[F001]]\n\n## Next\n"),
        ("## Links\n\n- a\n\n## Next\n", "## Links\n\n- a\n- [[F001]]\n\n## Next\n"),
        ("## Links\n\nsee\n", "## Links\n\nsee\n\n- [[F001]]\n"),
        ("## Links\n\n### H\n\n- a\n", "## Links\n\n### H\n\n- a\n- [[F001]]\n"),
        ("words", "words\n\n## Links\n\n- [[F001]]\n"),
        ("words\n", "words\n\n## Links\n\n- [[F001]]\n"),
        ("", "## Links\n\n- [[F001]]\n"),
    ],
)
def test_a_link_joins_the_list(before: str, after: str) -> None:
    """KB-01: the section is made when missing, line endings are kept."""
    assert markdown.add_link(before, "F001") == after


@given(_LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_link_is_added_and_nothing_else(lines: list[str], newline: str, ends: bool) -> None:
    """KB-01: backlinks change nothing else in a parent, and count afterwards."""
    body = newline.join(lines) + (newline if ends else "")
    result = markdown.add_link(body, "F001")
    assert "F001" in markdown.links(result)
    kept = iter(result.splitlines())
    assert all(line in kept for line in body.splitlines())
    added = len(result.splitlines()) - len(body.splitlines())
    assert 1 <= added <= 4
    assert ("\n" in result.replace("\r\n", "")) <= (newline == "\n" or not body.count("\r\n"))


@given(st.text(st.sampled_from("#`~<!->[]FH01|\\ \r\n"), max_size=60))
def test_no_body_crashes(body: str) -> None:
    """Trap 3: any text has headings, links and room for one more, or an open code block."""
    markdown.headings(body)
    markdown.links(body)
    result = markdown.add_link(body, "F001")
    assert len(result) > len(body)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n", 2),
        ("<<<<<<< HEAD\r\nb\r\n=======\r\nc\r\n>>>>>>> other\r\n", 1),
        ("Title\n=======\ntext\n", None),
        ("<<<<<<<<<\n=======\n>>>>>>>>>\n", None),
        ("see <<<<<<< HEAD, ======= and >>>>>>> x\n", None),
    ],
)
def test_conflict_markers(text: str, line: int | None) -> None:
    """Trap 29: a conflicted file is told from one with an underlined title."""
    assert markdown.conflict_line(text) == line
