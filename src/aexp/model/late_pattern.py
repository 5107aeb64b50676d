"""Regular expressions that are compiled when they are first needed.

Most runs hold nothing that looks like a secret; compiling every pattern for them would take
longer than all the rest of recording.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property

__all__ = ["LatePattern"]


class LatePattern:
    """A regular expression; the methods are those of :class:`re.Pattern`."""

    def __init__(self, source: str, flags: int = 0) -> None:
        self._source = source
        self._flags = flags

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern itself, for loops."""
        return re.compile(self._source, self._flags)

    def search(self, text: str, *span: int) -> re.Match[str] | None:
        """Return the first match in ``text``, or in the part of it that ``span`` says."""
        return self.compiled.search(text, *span)

    def match(self, text: str, *span: int) -> re.Match[str] | None:
        """Return the match at the beginning of ``text``, or at the place that ``span`` says."""
        return self.compiled.match(text, *span)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """Return the match of the whole of ``text``."""
        return self.compiled.fullmatch(text)

    def finditer(self, text: str, *span: int) -> Iterator[re.Match[str]]:
        """Yield the matches that do not overlap."""
        return self.compiled.finditer(text, *span)

    def findall(self, text: str) -> list[str]:
        """Return the texts of the matches; the pattern has no groups."""
        return self.compiled.findall(text)

    def split(self, text: str) -> list[str]:
        """Return what stands between the matches."""
        return self.compiled.split(text)

    def sub(self, replace: Callable[[re.Match[str]], str], text: str) -> str:
        """Return ``text`` with the matches replaced."""
        return self.compiled.sub(replace, text)
