"""The short lists beside a filter: ``--columns``, ``--sort``, ``--group-by`` and ``--stat``.

They are made of the filter language's own words, so that a field has one spelling everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

from aexp.model.aggregate import DEFAULT, STATISTICS
from aexp.model.filter import Name, format_name
from aexp.model.filter_tokens import Token, complain, tokenize

ALIASES = {"count": "n", "average": "mean", "avg": "mean", "stdev": "std", "stddev": "std"}
"""Other words for a statistic."""


class Term(NamedTuple):
    """A field, or a statistic of one.

    Attributes:
        name: the field.
        statistic: one of ``STATISTICS``, or empty for the field itself.
        descending: whether a ``-`` stands before it.
    """

    name: Name
    statistic: str = ""
    descending: bool = False

    @property
    def column(self) -> str:
        """The column's name: ``lr``, ``metrics.acc:mean``."""
        name = format_name(self.name.parts)
        return f"{name}:{self.statistic}" if self.statistic else name


def parse_terms(source: str) -> list[Term]:
    """Return the terms of ``-metrics.acc:mean,lr``.

    Raises:
        UsageError: the text is no list of fields.
    """
    reader = _Reader(source)
    terms = [reader.term()]
    while reader.take(","):
        terms.append(reader.term())
    reader.expect_end()
    return terms


def parse_names(source: str) -> list[Name]:
    """Return the fields of ``lr,metrics.acc``.

    Raises:
        UsageError: the text is no list of fields.
    """
    reader = _Reader(source)
    names = [reader.name()]
    while reader.take(","):
        names.append(reader.name())
    reader.expect_end()
    return names


def parse_statistics(source: str) -> list[Term]:
    """Return the terms of ``metrics.acc:mean,std,metrics.loss:max``.

    A word after a comma belongs to the field before it when it is a statistic's name. A field
    without any gets the usual ones.

    Raises:
        UsageError: the text is no list of statistics.
    """
    reader = _Reader(source)
    terms: list[Term] = []
    while True:
        name = reader.name()
        if not reader.take(":"):
            terms += [Term(name, word) for word in DEFAULT]
        else:
            terms.append(Term(name, reader.statistic()))
            while reader.at_another_statistic():
                reader.take(",")
                terms.append(Term(name, reader.statistic()))
        if not reader.take(","):
            reader.expect_end()
            return terms


def _statistic(text: str) -> str | None:
    word = ALIASES.get(text.lower(), text.lower())
    return word if word in STATISTICS else None


class _Reader:
    """Reads the tokens of a list one after the other."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokenize(source)
        self._index = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._index]

    def take(self, sign: str) -> bool:
        """Go past the next token when it is this sign."""
        found = self._token.kind == "sign" and self._token.text == sign
        self._index += found
        return found

    def name(self) -> Name:
        """Read a field."""
        token = self._token
        if token.kind != "name":
            found = f"not {token.text[:40]}" if token.text else "the list ends"
            hint = "write for example: lr,metrics.acc; odd names stand in backquotes"
            complain(self._source, token.at, f"the name of a field is expected, {found}", hint)
        self._index += 1
        return Name(token.parts, token.at)

    def term(self) -> Term:
        """Read ``name``, ``-name`` or ``name:statistic``."""
        descending = self.take("-")
        name = self.name()
        return Term(name, self.statistic() if self.take(":") else "", descending)

    def statistic(self) -> str:
        """Read the name of a statistic."""
        token = self._token
        word = _statistic(token.text)
        if word is None:
            hint = "one of: " + ", ".join(STATISTICS)
            complain(self._source, token.at, "the name of a statistic is expected", hint)
        self._index += 1
        return word

    def at_another_statistic(self) -> bool:
        """Return whether a comma and one more statistic follow, and no new field."""
        following = self._tokens[self._index : self._index + 3]
        if len(following) < 2 or following[0].text != ",":
            return False
        starts_field = len(following) > 2 and following[2].text == ":"
        return _statistic(following[1].text) is not None and not starts_field

    def expect_end(self) -> None:
        """Check that nothing follows."""
        token = self._token
        if token.kind != "end":
            complain(self._source, token.at, "a comma or the end is expected")
