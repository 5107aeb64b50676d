"""Numbers as prose shows them: what is written, and whether it says what was measured (VAL-09).

A number in a text is a rounding of a value, at the precision that the text shows: ``0.913``,
``91.3 %``, ``1.2e-3``, ``1.2 × 10⁻³``, ``−0.5``, ``NaN``, and with a spread ``0.91 ± 0.02``.
Everything is compared as decimals, so that no rounding of ours comes between the two.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

_LONGEST: Final = 120
_CONTEXT: Final = Context(prec=3000, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999)
_SUPERSCRIPTS: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_BLANK: Final = r"[ \t\r\n\u00a0\u2009\u202f]*"
_EXPONENT: Final = (
    r"[eE][+\-\u2212]?[0-9]{1,3}"
    rf"|{_BLANK}(?:[×x·*]|\\times|\\cdot){_BLANK}10"
    r"(?:\^\{?[+\-\u2212]?[0-9]{1,3}\}?|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})"
)
_NUMBER: Final = (
    r"(?P<sign{i}>[+\-\u2212]?)"
    r"(?:(?P<digits{i}>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    rf"(?P<exponent{{i}}>{_EXPONENT.replace('{', '{{').replace('}', '}}')})?"
    r"|(?P<special{i}>[nN][aA][nN]|[iI]nf(?:inity)?|∞))"
    rf"(?P<percent{{i}}>{_BLANK}%)?"
)
_SPREAD: Final = rf"{_BLANK}(?:±|\+/-|\\pm){_BLANK}"
_EDGE: Final = r"[*_`$]{0,3}"
_ONE: Final = re.compile(
    rf"(?P<before>{_BLANK}{_EDGE}){_NUMBER.format(i=1)}"
    rf"(?:(?P<spread>{_SPREAD}){_NUMBER.format(i=2)})?(?P<after>{_EDGE}{_BLANK})"
)
_IN_BRACKETS: Final = re.compile(
    rf"(?P<before>{_BLANK}{_EDGE}\({_BLANK}){_NUMBER.format(i=1)}"
    rf"(?P<spread>{_SPREAD}){_NUMBER.format(i=2)}{_BLANK}\)"
    rf"(?P<exponent>{_EXPONENT})?(?P<percent>{_BLANK}%)?(?P<after>{_EDGE}{_BLANK})"
)
_TEN: Final = re.compile(r"10\^?\{?(?P<power>[^}]*)")


@dataclass(frozen=True, slots=True)
class Numeral:
    """One number as it is written.

    Attributes:
        sign: empty, ``+``, ``-`` or the minus sign U+2212.
        digits: the digits with their decimal point; empty for what is no finite number.
        special: ``NaN``, ``∞`` or how else it is spelled; empty for a finite number.
        exponent: as written, such as ``e-3`` or `` × 10⁻³``; empty without.
        power: the power of ten that the exponent stands for.
        percent: whether it is a number of hundredths.
    """

    sign: str
    digits: str
    special: str = ""
    exponent: str = ""
    power: int = 0
    percent: bool = False

    @property
    def value(self) -> Decimal:
        """What is written; NaN and infinities as such."""
        sign = "-" if self.sign in ("-", "\u2212") else ""
        if self.special:
            return Decimal("NaN") if self.special.lower() == "nan" else Decimal(f"{sign}Infinity")
        return Decimal(f"{sign}{self.digits}E{self._shift}")

    @property
    def quantum(self) -> Decimal:
        """What its last digit is worth."""
        return Decimal(1).scaleb(self._shift - self.decimals, _CONTEXT)

    @property
    def decimals(self) -> int:
        """How many digits it shows behind the point."""
        return len(self.digits.partition(".")[2])

    @property
    def _shift(self) -> int:
        return self.power - (2 if self.percent else 0)


@dataclass(frozen=True, slots=True)
class Written:
    """What the text of a number citation says.

    Attributes:
        main: the number.
        spread: what follows ``±``, or None.
        text: the whole text.
        places: where in the text each number is, without the unit and shared exponent.
    """

    main: Numeral
    spread: Numeral | None
    text: str
    places: tuple[tuple[int, int], ...]

    def with_numbers(self, main: float | int, spread: float | int | None = None) -> str:
        """Return the text with other values, each at the precision that the text shows."""
        values = [(self.main, main)]
        if self.spread is not None and spread is not None:
            values.append((self.spread, spread))
        result = self.text
        for (start, end), (numeral, value) in reversed([*zip(self.places, values, strict=False)]):
            shared = numeral.exponent not in self.text[start:end]
            result = result[:start] + written_like(numeral, value, fixed=shared) + result[end:]
        return result


def parse_written(text: str) -> Written | None:
    """Return the number, or number and spread, that ``text`` is; None when it is something else.

    Emphasis around it (``**0.91**``) is fine. A percent sign or a bracketed exponent behind a
    spread counts for both numbers.
    """
    if len(text) > _LONGEST:
        return None
    found = _ONE.fullmatch(text) or _IN_BRACKETS.fullmatch(text)
    if found is None:
        return None
    groups = found.groupdict()
    shared = groups.get("exponent") or ""
    percent = any(groups.get(f"percent{i}") for i in ("", "1", "2"))
    numerals: list[Numeral] = []
    places: list[tuple[int, int]] = []
    for i in ("1", "2") if groups["spread"] else ("1",):
        exponent = groups[f"exponent{i}"] or shared
        if shared and groups[f"exponent{i}"]:
            return None
        special = groups[f"special{i}"] or ""
        numerals.append(
            Numeral(
                groups[f"sign{i}"],
                groups[f"digits{i}"] or "",
                special,
                exponent,
                _power(exponent),
                percent and not special,
            )
        )
        start = found.start(f"sign{i}")
        last = f"special{i}" if special else f"exponent{i}"
        end = found.end(last) if groups[last] else found.end(f"digits{i}")
        places.append((start, end))
    spread = numerals[1] if len(numerals) > 1 else None
    return Written(numerals[0], spread, text, tuple(places))


def _power(exponent: str) -> int:
    if not exponent:
        return 0
    if exponent[0] in "eE":
        return int(exponent[1:].replace("\u2212", "-"))
    found = _TEN.search(exponent)
    assert found is not None
    return int(found["power"].translate(_SUPERSCRIPTS).replace("\u2212", "-"))


def agrees(numeral: Numeral, value: float | int) -> bool:
    """Return whether what is written is ``value``, rounded to the precision shown (VAL-09).

    A value half way between two roundings may be written as either. The value is the exact one of
    the float; where that makes no difference beyond the rounding itself, the decimal form that
    the ledger's file shows, and for a percentage the product with 100, count as well.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return _same_special(numeral, value)
    if numeral.special:
        return False
    exact = Decimal(value)
    half = _CONTEXT.divide(numeral.quantum, Decimal(2))
    if _distance(numeral.value, exact) <= half:
        return True
    slack = _CONTEXT.divide(numeral.quantum, Decimal(8))
    return any(
        _distance(numeral.value, other) <= half and _distance(other, exact) <= slack
        for other in _other_forms(numeral, value)
    )


def _other_forms(numeral: Numeral, value: float | int) -> list[Decimal]:
    """Return the decimals that people and programs take a float for before they round it."""
    if not isinstance(value, float):
        return []
    forms = [Decimal(repr(value))]
    if numeral.percent and math.isfinite(value * 100):
        forms += [Decimal(form).scaleb(-2, _CONTEXT) for form in (value * 100, repr(value * 100))]
    return forms


def _distance(left: Decimal, right: Decimal) -> Decimal:
    return _CONTEXT.abs(_CONTEXT.subtract(left, right))


def _same_special(numeral: Numeral, value: float | int) -> bool:
    if not numeral.special:
        return False
    written = numeral.value
    return written.is_nan() if math.isnan(value) else written == Decimal(value)


def written_like(numeral: Numeral, value: float | int, *, fixed: bool = False) -> str:
    """Return ``value`` at the precision and in the style of a number, without its unit.

    Args:
        numeral: the number whose place it takes.
        value: what to write.
        fixed: the exponent stands elsewhere and stays as it is.
    """
    minus = "\u2212" if numeral.sign == "\u2212" else "-"
    plus = "+" if numeral.sign == "+" else ""
    if isinstance(value, float) and not math.isfinite(value):
        word = "NaN" if math.isnan(value) else "∞"
        return word if math.isnan(value) or value > 0 else minus + word
    if numeral.special:  # nothing is known of the precision that is wanted
        return repr(value).replace("-", minus, 1) if value < 0 else repr(value)
    exact = _CONTEXT.scaleb(Decimal(value), 2 if numeral.percent else 0)
    power = numeral.power
    if numeral.exponent and not fixed:
        power = _normal_power(exact, numeral)
    mantissa = _rounded(exact, power, numeral.decimals)
    sign = minus if mantissa < 0 else plus
    point = "." if numeral.digits.endswith(".") else ""
    exponent = "" if fixed else _exponent_like(numeral.exponent, power)
    return f"{sign}{mantissa.copy_abs():f}{point}{exponent}"


def _rounded(exact: Decimal, power: int, decimals: int) -> Decimal:
    shifted = _CONTEXT.scaleb(exact, -power)
    return _CONTEXT.quantize(shifted, Decimal(1).scaleb(-decimals, _CONTEXT))


def _normal_power(exact: Decimal, numeral: Numeral) -> int:
    """Return the power that leaves one digit before the point, as it was before."""
    lead = len(numeral.digits.partition(".")[0].lstrip("0"))
    if not exact or not lead:
        return numeral.power
    power = exact.adjusted() - lead + 1
    if _rounded(exact, power, numeral.decimals).adjusted() >= lead:  # 9.99 became 10.0
        power += 1
    return power


def _exponent_like(exponent: str, power: int) -> str:
    """Return an exponent in the same style with another power."""
    if not exponent or _power(exponent) == power:
        return exponent
    if exponent[0] in "eE":
        minus = "\u2212" if "\u2212" in exponent else "-"
        sign = minus if power < 0 else "+" if exponent[1] == "+" else ""
        width = len(exponent.lstrip("eE+-\u2212"))
        return f"{exponent[0]}{sign}{abs(power):0{width}d}"
    found = _TEN.search(exponent)
    assert found is not None
    start, end = found.span("power")
    written = str(power)
    if exponent[start:end].translate(_SUPERSCRIPTS) != exponent[start:end]:
        written = written.translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
    elif "\u2212" in exponent:
        written = written.replace("-", "\u2212")
    return exponent[:start] + written + exponent[end:]
