"""The text of the filter language."""

from __future__ import annotations

import contextlib
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import UsageError
from aexp.model.filter import (
    MAX_DEPTH,
    And,
    Compare,
    Contains,
    Filter,
    In,
    Is,
    Like,
    Name,
    Not,
    Or,
    Value,
    format_filter,
    format_name,
    names_of,
    parse_filter,
)
from aexp.model.filter_tokens import tokenize
from aexp.model.terms import parse_names, parse_statistics, parse_terms
from tests.model.filters import filters, names

LR, STATUS = Name(("lr",)), Name(("status",))


@given(filters())
def test_a_tree_written_and_read_is_the_tree(node: Filter) -> None:
    """LED-11: parse and format are a pair, whatever names and texts hold."""
    text = format_filter(node)
    again = parse_filter(text)
    assert (again, repr(again)) == (node, repr(node))
    assert format_filter(again) == text


@given(names)
def test_a_name_written_and_read_is_the_name(name: Name) -> None:
    """LED-11: any key that a run may have can be asked for."""
    assert parse_names(format_name(name.parts)) == [name]


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("lr<-1", Compare("<", LR, Value(-1))),
        ("lr == .5", Compare("=", LR, Value(0.5))),
        ("lr <> 5.", Compare("!=", LR, Value(5.0))),
        ("1e-3 <= lr", Compare("<=", Value(0.001), LR)),
        ("lr > -infinity", Compare(">", LR, Value(-math.inf))),
        ("status = 'it''s'", Compare("=", STATUS, Value("it's"))),
        ('status = "say ""x"""', Compare("=", STATUS, Value('say "x"'))),
        ("status = 'a\\b'", Compare("=", STATUS, Value("a\\b"))),
        ("lr = NULL", Compare("=", LR, Value(None))),
        ("lr = TRUE", Compare("=", LR, Value(True))),
        ("lr = [64, [1.5, 'x'], []]", Compare("=", LR, Value([64, [1.5, "x"], []]))),
        ("lr NOT IN (1, null)", In(LR, (1, None), True)),
        ("lr in ()", In(LR, ())),
        ("lr not like 'a*'", Like(LR, "a*", True)),
        ("lr contains 64", Contains(LR, 64)),
        ("lr is not nan", Is(LR, "nan", True)),
        ("a.b.`c.d` = 1", Compare("=", Name(("a", "b", "c.d")), Value(1))),
        ("metrics.val/acc-1@5 = 1", Compare("=", Name(("metrics", "val/acc-1@5")), Value(1))),
        ("`in` = 1", Compare("=", Name(("in",)), Value(1))),
        ("größe = 1", Compare("=", Name(("größe",)), Value(1))),
        ("`a``b` = lr", Compare("=", Name(("a`b",)), LR)),
    ],
)
def test_what_is_written_how(text: str, node: Filter) -> None:
    """LED-11: numbers, texts, names, operators."""
    assert parse_filter(text) == node
    assert repr(parse_filter(text)) == repr(node)


def test_and_binds_closer_than_or_and_not_closest() -> None:
    """LED-11: the usual order; parentheses change it."""
    a, b, c = (Compare("=", LR, Value(n)) for n in (1, 2, 3))
    one, two, three = "lr = 1", "lr = 2", "lr = 3"
    assert parse_filter(f"{one} or {two} and {three}") == Or((a, And((b, c))))
    assert parse_filter(f"({one} or {two}) and {three}") == And((Or((a, b)), c))
    assert parse_filter(f"not {one} and {two}") == And((Not(a), b))
    assert parse_filter(f"not ({one} and {two})") == Not(And((a, b)))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("lr <", "a value after < is expected, the filter ends, at column 5: lr <^", ""),
        ("lr < and a = 1", "a value after < is expected, not and, at column 6: lr < ^and", ""),
        ("(a = 1", "and, or, or ) is expected, the filter ends, at column 7: (a = 1^", ""),
        ("a = 1)", "not ), at column 6: a = 1^)", "there is no ( for it"),
        ("0 < lr < 1", "at column 8: 0 < lr ^< 1", "write: 0 < lr and lr < 1"),
        ("a = 'x", "' is never closed, at column 5: a = ^'x", "written twice"),
        ("a && b", "'&' has no meaning here, at column 3", "write: and"),
        ("a ~ 'x'", "'~' has no meaning here", "like"),
        ("run = 77e4588d", "this is no number, at column 7", "quotes: '77e4588d'"),
        ("a = 1e999", "too large", "Infinity"),
        ("a = " + "9" * 401, "too long", ""),
        ("tags", "a comparison is expected, the filter ends", "code_dirty = true"),
        ("'x' in tags", "not in", "tags contains 'x'"),
        ("a < null", "null has no order", "is null"),
        ("a in (nan)", "NaN equals nothing", "is nan"),
        ("a in (1 2)", ", or ) is expected, not 2", ""),
        ("a in (x)", "a value is expected, not x", "put text in quotes: 'x'"),
        ("a in 1", "( is expected", "write: name in (1, 2)"),
        ("a like 1", "a pattern in quotes", ""),
        ("a is 1", "null or nan is expected", ""),
        ("a not = 1", "in, like or contains is expected", ""),
        ("exists 1", "the name of a field is expected", "backquotes"),
        ("a.", "a name goes on here, at column 3", ""),
        ("a = 1; drop table runs", "';' has no meaning here", "no statements"),
        ("", "a condition is expected", "lr < 0.01 and status = 'complete'"),
    ],
)
def test_a_mistake_is_shown_with_its_place(text: str, message: str, hint: str) -> None:
    """LED-11: one line with a caret, and what to write instead."""
    with pytest.raises(UsageError) as caught:
        parse_filter(text)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("opening", ["(", "not ", "a = [", "a in (["])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100_000])
def test_deep_nesting_is_a_clear_error(opening: str, depth: int) -> None:
    """LED-11: never a RecursionError."""
    text = opening[-1] * depth if opening.endswith("[") else opening * depth
    with pytest.raises(UsageError, match="nested too deeply"):
        parse_filter(opening[:-1] + text if opening.endswith("[") else text)


def test_nesting_that_is_allowed() -> None:
    """LED-11: and what is long without being deep is no matter."""
    text = "(" * MAX_DEPTH + "a = 1" + ")" * MAX_DEPTH
    assert format_filter(parse_filter(text)) == "a = 1"
    chain = parse_filter(" or ".join(["a = 1"] * 5_000))
    assert len(names_of(chain)) == 5_000


@pytest.mark.parametrize(
    "unit",
    ["a=1 and ", "a in (1) or ", "(", "not ", "'", '"', "`", "``", "''", "1", "a", "a.", " ", "[",
     "'a'''", "a=[1,", "-", "1.", "1e", "<", "\\", "é", "\x00"],
)  # fmt: skip
def test_time_is_linear_in_the_length(unit: str) -> None:
    """LED-11: no text makes the reader take quadratic time."""

    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        best = math.inf
        for _ in range(3):
            began = time.perf_counter()
            with contextlib.suppress(UsageError):
                parse_filter(text)
            best = min(best, time.perf_counter() - began)
        return best

    seconds(1_000)
    assert seconds(80_000) < 40 * max(seconds(8_000), 0.0005)  # quadratic would be 100


@given(st.text() | st.text(alphabet="ab.`'\"()[]<>=!,:-+*?\\ 01eNnot in and or like is null"))
def test_any_text_is_read_or_refused(text: str) -> None:
    """LED-11: nothing but the usage error comes out of a filter or a list of fields."""
    for read in (parse_filter, parse_names, parse_terms, parse_statistics, tokenize):
        with contextlib.suppress(UsageError):
            assert read(text)


# --- lists of fields -------------------------------------------------------------------------


def test_terms() -> None:
    """LED-11: directions and statistics beside fields."""
    terms = parse_terms("-metrics.acc:mean, lr,`a b`.c , - seed")
    assert [(t.column, t.descending) for t in terms] == [
        ("metrics.acc:mean", True),
        ("lr", False),
        ("`a b`.c", False),
        ("seed", True),
    ]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a:mean,std", ["a:mean", "a:std"]),
        ("a:mean,std,b:max", ["a:mean", "a:std", "b:max"]),
        ("a:mean,n:max", ["a:mean", "n:max"]),
        ("a", ["a:n", "a:mean", "a:std", "a:min", "a:max"]),
        ("a:count,AVG,stdev,median", ["a:n", "a:mean", "a:std", "a:median"]),
        ("a:mean,b", ["a:mean", "b:n", "b:mean", "b:std", "b:min", "b:max"]),
    ],
)
def test_statistics(text: str, columns: list[str]) -> None:
    """LED-11: words after a field belong to it."""
    assert [term.column for term in parse_statistics(text)] == columns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the name of a field is expected, the list ends"),
        ("a,", "the name of a field is expected, the list ends"),
        ("a b", "a comma or the end is expected, at column 3: a ^b"),
        ("1", "the name of a field is expected, not 1"),
        ("a:mode", "the name of a statistic is expected, at column 3: a:^mode"),
    ],
)
def test_mistakes_in_lists(text: str, message: str) -> None:
    """LED-11: shown with their place too."""
    with pytest.raises(UsageError) as caught:
        parse_statistics(text) if ":" in text else parse_terms(text)
    assert message in caught.value.message
