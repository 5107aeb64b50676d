"""Names that have broken tools before; all are legal on the usual file systems."""

from __future__ import annotations

WEIRD_NAMES: dict[str, str] = {
    "spaces": "two  words ",
    "quotes": 'it\'s "quoted"',
    "unicode": "größe-実験-🧪",
    "decomposed": "cafe\u0301",
    "leading-dash": "-rf",
    "brackets": "[bold]run[red]",
    "glob": "a*?[b]",
    "shell": "$HOME;`x`&|",
    "backslash": "back\\slash",
    "percent": "100%#tag",
    "newline": "two\nlines",
    "tab": "tab\there",
    "colon": "c:d",
    "dots": "..a..",
}
"""By a short name that is fit for a test id."""
