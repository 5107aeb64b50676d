"""Number links: found in prose, understood, rewritten without touching anything else (VAL-09)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import CorruptDataError, UsageError
from aexp.kb import markdown
from aexp.kb.numbers import NumberLink, Rewriting, number_links, parse_target, pinned, rewrite
from aexp.repo import open_layout
from tests.support.machines import Machine

RUN = "77e4588d8d8e3ea5fef5a507bdde91dd"
LINK = f"[0.913](run:{RUN}#val_acc)"


def seen(body: str) -> list[tuple[str, str]]:
    """Return text and target of every number link."""
    return [(link.text, link.target) for link in number_links(body)]


@pytest.mark.parametrize(
    "body",
    [
        LINK,
        f"It reached {LINK}, which is good.\n",
        f"- {LINK}\n",
        f"| full | {LINK} |\n",
        f"> {LINK}\n",
        f"## {LINK}\n",
        f"[0.913](<run:{RUN}#val_acc>)",
        f'[0.913](run:{RUN}#val_acc "the best one")',
        f"[0.913]( run:{RUN}#val_acc )",
        f"`code` {LINK} `code`",
        f"```\ncode\n```\n{LINK}\n",
        f"<!-- a comment -->{LINK}",
        f"[see below] {LINK}",
        f"[[F001]] {LINK}",
        f"\\[not a link\\] {LINK}",
    ],
)
def test_links_are_found_wherever_prose_is(body: str) -> None:
    """VAL-09: in sentences, lists, tables, quotes and headings."""
    assert seen(body) == [("0.913", f"run:{RUN}#val_acc")]


@pytest.mark.parametrize(
    "body",
    [
        "",
        f"`{LINK}`",
        f"``{LINK} ` ``",
        f"```\n{LINK}\n```\n",
        f"~~~markdown\n{LINK}\n~~~\n",
        f"```\n{LINK}\n",
        f"<!-- {LINK} -->",
        f"<!--\n{LINK}\n-->",
        f"!{LINK}",
        f"\\{LINK}",
        f"[a run](run:{RUN})",
        f"[0.913]\n(run:{RUN}#val_acc)",
        f"[0.913\n\n](run:{RUN}#val_acc)",
        "[0.913](https://example.org/run:1#val_acc)",
        "[0.913](train:x#val_acc)",
    ],
)
def test_examples_and_other_links_are_no_citations(body: str) -> None:
    """VAL-09: code, comments, images, escaped brackets, links without a metric."""
    assert seen(body) == []


def test_lines_and_columns_are_those_of_the_file() -> None:
    """VAL-09: issues carry their line; several on one line, and one on two."""
    body = f"\n{LINK} and {LINK}\r\n\n`x` [**0.91\n± 0.02**](batch:E001#a:mean)\n"
    found = number_links(body, first_line=10)
    assert [(link.line, link.column) for link in found] == [(11, 1), (11, len(LINK) + 6), (13, 5)]
    for link in found:
        assert body[link.text_at :].startswith(link.text)
        assert body[link.target_at :].startswith(link.target)


def test_a_run_and_its_metric() -> None:
    """VAL-09: names are decoded; a metric's own dots and colons come before fields."""
    target = parse_target(f"run:{RUN}#val%20acc.min")
    assert (target.job_id, target.metric) == (RUN, "val acc.min")
    assert list(target.readings()) == [
        ("val acc.min", "value", ""),
        ("val acc", "min", ""),
    ]
    assert list(parse_target(f"run:{RUN}#loss/a:b").readings()) == [("loss/a:b", "value", "")]


def test_a_batch_its_size_and_an_aggregate() -> None:
    """VAL-09: values are typed as on the command line; ``n`` is the size unless it is escaped."""
    target = parse_target("batch:E001?condition=full&seed=[0,1]&tag:=0&n=3#val_acc.max:std")
    assert target.experiment_id == "E001"
    assert target.selector == {"condition": "full", "seed": [0, 1], "tag": "0"}
    assert target.size == 3
    assert list(target.readings()) == [
        ("val_acc.max:std", "value", ""),
        ("val_acc.max", "value", "std"),
        ("val_acc", "max", "std"),
    ]
    assert parse_target("batch:E001?%6E=3#a").selector == {"n": 3}
    assert parse_target("batch:E001?name=a%20b%26c#a").selector == {"name": "a b&c"}
    assert parse_target("batch:E001#a").size is None


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("run:77e4588d#acc", "not whole"),
        ("run:#acc", "not whole"),
        (f"run:{RUN.upper()}#acc", "not whole"),
        (f"run:{RUN}#", "names no metric"),
        ("batch:X1#acc", "no experiment id"),
        ("batch:E001?seed#acc", "no key=value"),
        ("batch:E001?seed=1&seed=2#acc", "twice"),
        ("batch:E001?n=3&n=4#acc", "n= does not"),
        ("batch:E001?n=x#acc", "n= does not"),
        ("batch:E001?n=#acc", "n= does not"),
        ("batch:E001?lr=nan#acc", "nan"),
    ],
)
def test_a_malformed_target_says_what_is_wrong(target: str, words: str) -> None:
    """VAL-09: only whole ids, so that no later run makes a citation mean two."""
    with pytest.raises(UsageError, match=re.escape(words)):
        parse_target(target)


@pytest.mark.parametrize(
    ("target", "result"),
    [
        ("batch:E001#a:mean", "batch:E001?n=5#a:mean"),
        ("batch:E001?#a", "batch:E001?n=5#a"),
        ("batch:E001?c=full#a", "batch:E001?c=full&n=5#a"),
        ("batch:E001?n=3#a", "batch:E001?n=5#a"),
        ("batch:E001?c=full&n=3&seed=1#a", "batch:E001?c=full&n=5&seed=1#a"),
        ("batch:E001?%6E=3&mean=3#a", "batch:E001?%6E=3&mean=3&n=5#a"),
    ],
)
def test_the_size_is_written_into_the_target(target: str, result: str) -> None:
    """VAL-09: once, and nothing else of it changes."""
    assert pinned(target, 5) == result
    assert parse_target(result).size == 5
    assert parse_target(result).selector == parse_target(target).selector


pieces = st.sampled_from(
    [LINK, "words ", "\n", "\r\n", "`", "```\n", "<!--", "-->", "[", "](run:", ")", "\\", "é🧪",
     "[0.9 ± 0.1](batch:E001?a=1#b)", "~~~\n", "\n\n", "\0", "[1](<run:x y#z>)"]
)  # fmt: skip


@given(st.lists(pieces, max_size=25).map("".join))
def test_places_are_right_in_any_body(body: str) -> None:
    """VAL-09: what is found is there, and what is masked keeps its length and lines."""
    prose = markdown.without_code(body)
    assert len(prose) == len(body)
    assert [i for i, c in enumerate(prose) if c == "\n"] == [
        i for i, c in enumerate(body) if c == "\n"
    ]
    for link in number_links(body):
        assert body[link.text_at : link.text_at + len(link.text)] == link.text
        assert body[link.target_at : link.target_at + len(link.target)] == link.target
        assert "\0" not in link.target


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_rewriting_touches_the_links_alone(repo: Machine, newline: str, bom: str) -> None:
    """VAL-09, trap 31: line ends, a byte order mark, brackets and blanks stay as they are."""
    front = "---\nid: F001   # [why]\n---\n"
    body = f"\n{LINK} é `{LINK}`\t\n\n| {LINK} |[0.9](batch:E001#a)  \n<!-- {LINK} -->"
    text = bom + (front + body).replace("\n", newline)
    path = repo / "kb/research/findings/F001.md"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode())
    whole_body = body.replace("\n", newline)
    links = number_links(whole_body)
    changes = [Rewriting(links[1], "0.5", links[1].target), _batch(links[2])]
    layout = open_layout(repo.path)
    rewrite(layout, "kb/research/findings/F001.md", whole_body, changes)
    wanted = text.replace("| [0.913]", "| [0.5]").replace("E001#a", "E001?n=3#a")
    assert path.read_bytes() == wanted.encode()
    with pytest.raises(CorruptDataError, match="just been changed"):
        rewrite(layout, "kb/research/findings/F001.md", whole_body, changes)
    assert path.read_bytes() == wanted.encode()


def _batch(link: NumberLink) -> Rewriting:
    return Rewriting(link, link.text, pinned(link.target, 3))
