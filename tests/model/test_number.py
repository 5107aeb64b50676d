"""Numbers as prose shows them: read, compared and written (VAL-09)."""

from __future__ import annotations

import math
import re
import sys
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from aexp.model.number import Numeral, agrees, parse_written, written_like

finite = st.floats(allow_nan=False, allow_infinity=False)
usual = st.floats(-1e6, 1e6) | st.floats(-1, 1) | st.integers(-(10**12), 10**12).map(float)
styles = st.sampled_from(["f", "e", "E", "g"])


def read(text: str) -> Numeral:
    """Return the one number that a text is."""
    written = parse_written(text)
    assert written is not None, text
    assert written.spread is None
    return written.main


def last_digit(text: str) -> int:
    """Return where the last digit of a number's mantissa is."""
    return max(i for i, c in enumerate(re.split("[eE%]", text)[0]) if c.isdigit())


WRITTEN = {
    "0.913": 0.913,
    ".913": 0.913,
    "913": 913,
    "0.9130": 0.913,
    "+0.913": 0.913,
    "-0.913": -0.913,
    "−0.913": -0.913,
    "91.3%": 0.913,
    "91.3 %": 0.913,
    "91.3\u202f%": 0.913,
    "−91.3 %": -0.913,
    "1.2e-3": 0.0012,
    "1.2E-03": 0.0012,
    "1.2e−3": 0.0012,
    "1.2e3": 1234,
    "1.2 × 10⁻³": 0.0012,
    "1.2×10^-3": 0.0012,
    "1.2 x 10^{-3}": 0.0012,
    "1.2 · 10^−3": 0.0012,
    "$1.2 \\times 10^{-3}$": 0.0012,
    "12 × 10³": 12345,
    "**0.913**": 0.913,
    "`0.913`": 0.913,
    "_0.9_": 0.913,
    "NaN": math.nan,
    "nan": math.nan,
    "∞": math.inf,
    "-∞": -math.inf,
    "−Infinity": -math.inf,
    "inf": math.inf,
}


@pytest.mark.parametrize(("text", "value"), WRITTEN.items(), ids=WRITTEN)
def test_numbers_are_read_in_the_ways_people_write_them(text: str, value: float) -> None:
    """VAL-09: percent, scientific notation in text and type, minus signs, what is not finite."""
    assert agrees(read(text), value)
    assert not agrees(read(text), 0.5)
    if not math.isnan(value):
        assert not agrees(read(text), -value)


@pytest.mark.parametrize(
    "text",
    ["", "x", "the best run", "1,5", "1 2", "0.9.1", "--1", "1e", "e5", "0x10", "± 0.1", "1 ±",
     "1 ± 2 ± 3", "%", "1 %%", "٣", "1e99999", "9" * 200, "(1 ± 2", "(1e3 ± 2) × 10³", "~1", "1/3"],
)  # fmt: skip
def test_other_texts_are_no_numbers(text: str) -> None:
    """VAL-09: what cannot be compared is never taken for right."""
    assert parse_written(text) is None


@pytest.mark.parametrize(
    ("text", "main", "spread"),
    [
        ("0.91 ± 0.02", 0.912, 0.0196),
        ("0.91 +/- 0.02", 0.912, 0.0196),
        ("0.91±0.02", 0.912, 0.0196),
        ("**0.91 ± 0.02**", 0.912, 0.0196),
        ("0.91\n± 0.02", 0.912, 0.0196),
        ("91.2 ± 2.0 %", 0.912, 0.0196),
        ("91.2% ± 2.0%", 0.912, 0.0196),
        ("(91.2 ± 2.0) %", 0.912, 0.0196),
        ("(9.1 ± 0.2) × 10⁻¹", 0.912, 0.0196),
        ("9.1e-1 ± 2e-2", 0.912, 0.0196),
        ("$0.91 \\pm 0.02$", 0.912, 0.0196),
    ],
)
def test_a_spread_is_read_with_its_mean(text: str, main: float, spread: float) -> None:
    """VAL-09: a percent sign or a bracketed power of ten counts for both."""
    written = parse_written(text)
    assert written is not None
    assert written.spread is not None
    assert agrees(written.main, main)
    assert agrees(written.spread, spread)
    assert not agrees(written.main, main + 0.02)
    assert not agrees(written.spread, spread + 0.02)
    assert written.with_numbers(main, spread) == text
    again = parse_written(written.with_numbers(0.5, 0.25))
    assert again is not None and again.spread is not None
    assert agrees(again.main, 0.5)
    assert agrees(again.spread, 0.25)


@given(finite, st.integers(0, 25), styles)
@example(0.145, 2, "f")
@example(5e-324, 3, "e")
@example(1.7976931348623157e308, 5, "f")
def test_a_formatted_float_never_mismatches(value: float, precision: int, style: str) -> None:
    """VAL-09: whatever Python writes of a float, at any precision, agrees with it."""
    text = f"{value:.{precision}{style}}"
    assume(len(text) <= 120)
    assert agrees(read(text), value)
    assert agrees(read(text.replace("-", "−", 1)), value)


@given(st.floats(-100, 100), st.integers(0, 9))
def test_a_formatted_percentage_never_mismatches(value: float, precision: int) -> None:
    """VAL-09: by the format of Python, and by multiplying first."""
    assert agrees(read(f"{value:.{precision}%}"), value)
    assert agrees(read(f"{value * 100:.{precision}f} %"), value)


@given(finite)
def test_the_shortest_form_never_mismatches(value: float) -> None:
    """VAL-09: what ledger files show can be pasted."""
    assert agrees(read(repr(value)), value)


@given(usual, st.integers(0, 12), st.sampled_from(["f", "e", "%"]), st.sampled_from([-2, 2]))
def test_two_in_the_last_digit_always_mismatch(
    value: float, precision: int, style: str, change: int
) -> None:
    """VAL-09: at any precision that a float has, which is 15 digits."""
    text = f"{value:.{precision}{style}}"
    assume(len(Decimal(text.strip("%")).as_tuple().digits) <= sys.float_info.dig)
    place = last_digit(text)
    digit = int(text[place]) + change
    assume(0 <= digit <= 9)
    changed = text[:place] + str(digit) + text[place + 1 :]
    if math.copysign(1, value) > 0 or Decimal(changed.strip("%")) != 0:
        assert not agrees(read(changed), value)


@pytest.mark.parametrize(
    ("text", "value", "right"),
    [
        ("0.12", 0.125, True),  # both halves
        ("0.13", 0.125, True),
        ("0.15", 0.145, True),  # as the ledger's file shows it
        ("0.14", 0.145, True),  # as it is
        ("0.13", 0.145, False),
        ("2", 2.5, True),
        ("3", 2.5, True),
        ("0", 0.0, True),
        ("-0.0", 0.0, True),
        ("0.91", 0.905, True),
        ("0.91", 0.9049, False),
        ("0.30000000000000004", 0.1 + 0.2, True),
        ("0.3", 0.1 + 0.2, True),
        ("100 %", 1.0, True),
        ("100", 1.0, False),
        ("1", 1, True),
        ("12345678901234567890", 12345678901234567890, True),
        ("12345678901234567891", 12345678901234567890, False),
    ],
)
def test_rounding(text: str, value: float, right: bool) -> None:
    """VAL-09: a half may go either way; one unit in the last place may not."""
    assert agrees(read(text), value) is right


values = finite | st.sampled_from([math.nan, math.inf, -math.inf]) | st.integers(-(10**30), 10**30)


@given(st.sampled_from([*WRITTEN, "0.91", "5.", "1e10", "9.99e-5"]), values)
def test_what_is_written_agrees_with_what_it_was_written_for(text: str, value: float) -> None:
    """VAL-09: `--fix` leaves nothing to fix, and keeps the look of the number."""
    written = parse_written(text)
    assert written is not None
    result = written.with_numbers(value)
    again = parse_written(result)
    if len(result) > 120:  # a huge number in plain digits
        return
    assert again is not None, result
    assert agrees(again.main, value), result
    if math.isfinite(value) and not written.main.special:
        assert again.main.percent == written.main.percent
        assert again.main.decimals == written.main.decimals
        assert bool(again.main.exponent) == bool(written.main.exponent)
    if not written.main.special:  # Python's shortest form may break a tie the other way
        assert again.with_numbers(value) == result


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ("0.913", 0.88724, "0.887"),
        ("**91.3 %**", 0.88724, "**88.7 %**"),
        ("1.2e-3", 0.0345, "3.5e-2"),
        ("1.2E-03", 0.346, "3.5E-01"),
        ("1.2 × 10⁻³", 9.96, "1.0 × 10¹"),
        ("1.2 × 10^{−3}", 0.00004, "4.0 × 10^{−5}"),
        ("12 × 10³", 123456.0, "12 × 10⁴"),
        ("−0.5", -0.75, "−0.8"),
        ("−0.5", 0.25, "0.2"),
        ("+0.5", 0.25, "+0.2"),
        ("0.5", -0.25, "-0.2"),
        ("0.5", -0.01, "0.0"),
        ("7", 12.0, "12"),
        ("0.91", math.nan, "NaN"),
        ("−0.91", -math.inf, "−∞"),
        ("NaN", 0.8125, "0.8125"),
    ],
)
def test_the_style_of_a_number_is_kept(text: str, value: float, result: str) -> None:
    """VAL-09: precision, sign, unit and notation stay as they were."""
    written = parse_written(text)
    assert written is not None
    assert written.with_numbers(value) == result


@given(st.text(st.sampled_from("0123456789.eE+-−±%×10⁻³() *_$^{}nNaif∞\\ \n"), max_size=30))
def test_any_text_is_a_number_or_none(text: str) -> None:
    """VAL-09: no text raises, and what is read can be written."""
    written = parse_written(text)
    if written is not None:
        assert agrees(written.main, 0.25) in (True, False)
        assert isinstance(written_like(written.main, 0.25), str)
        assert parse_written(written.with_numbers(0.25, 0.125)) is not None
