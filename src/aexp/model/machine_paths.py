"""How absolute paths look, and what stands for those below a known root (model.md 8).

A slash is not enough: ``n/a``, ``m/s``, routes, regular expressions and URLs have them too. A
path counts when it starts in a folder that machines have (``/home``, ``/scratch`` ...), or is
deep enough, or stands under a key such as ``data_dir``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import quote

from msgspec import Struct

from aexp.model.late_pattern import LatePattern

REDACTED_PATH = "<redacted:path>"


class Root(Struct, frozen=True):
    """A folder of this machine and what stands for it in committed files.

    Attributes:
        prefix: the folder's absolute path.
        token: "" for the repository root (a path below becomes relative, the root itself ``.``),
            ``${DATA}`` for a root declared in ``aexp.yaml``.
    """

    prefix: str
    token: str = ""


_TOP = (
    r"(?:[A-Za-z_-]{0,20}(?:scratch|gpfs|lustre|ceph|cephfs|nfs|home|homes|beegfs|_work)"
    r"|Users|users|root|tmp|var|etc|usr|opt|mnt|media|srv|data|datasets|work|proj|projects?"
    r"|workspaces?|content|kaggle|dbfs|databricks|Volumes|private|Library|Applications|System|dev"
    r"|proc|sys|run|s?bin|lib(?:32|64)?|boot|afs|cluster|net|nas|storage|vol|export|local|apps?|efs"
    r"|fsx|raid|ssd|hdd|disk|glade|global|ocean|lus|lfs|pfs|cfs|nobackup|cvmfs|sw|software|code|nix)"
    r"\d{0,3}"
)
_END = r"(?=[/\\\s\"'`:,;()\[\]{}<>|&?#*=@!]|\.(?:\s|\Z)|\Z)"
_NAME = r"[^\s/\"'`<>|,;:*?]"
_NEXT_WORD = r" (?!-)[^\s/\"'`<>|,;:*?=]++"  # of a folder name with spaces; no option, no x=y
_TAIL = rf"(?:/+(?:{_NAME}++(?:{_NEXT_WORD}){{1,3}}(?=/)|{_NAME}*+))"
_LEAD = (
    r"(?:(?<![\w.~})\]*%@#/\\^])(?<![A-Za-z_]>)(?<!\bdbfs:)|(?<=-[ILoBC])|(?<=\\n)|(?<=file://)|(?<=file://localhost)"
    r"|(?<=:///))"
)
_SAME = (  # on every machine: the interpreter of a script, devices that are none
    r"(?!(?:(?:(?<=#!)|(?<=#! ))/(?:usr/(?:local/)?)?s?bin/[\w.+-]+"
    r"|/bin/(?:ba|da|k|z)?sh|/usr/bin/env"
    r"|/dev/(?:null|zero|full|u?random|tty|std(?:in|out|err)))(?![\w/+-]|\.\w))"
)
_KNOWN = rf"{_LEAD}{_SAME}/{_TOP}{_END}{_TAIL}+"
_POINTER = (  # into a document; folders of these names with files in them are folders
    r"(?!(?:state_?points?|sp|h?params|(?:hyper)?parameters|metrics|config|cfg|settings|model"
    r"|optimi[sz]er|scheduler|trainer|encoder|decoder|layers?|loss|properties|definitions|components"
    r"|entry|items|spec|metadata|attributes)(?:/[\w~-]+)+(?![\w./~-]))"
)
_UNKNOWN = (
    r"(?:(?<![\w.~$%})\]*/\\^>@#-])(?<!\bdbfs:)|(?<=file://))"
    rf"{_SAME}/{_POINTER}"
    r"(?!(?:api|openapi|rpc|rest|graphql|oauth2?|v\d+"
    r"|statepoint|params|metrics|environment|replicates|run_link|tracker|attachments|error"
    r")/)[A-Za-z][\w-]+"
    r"(?:(?:/[\w.@+%~-]+){2,}|/[\w.@+%~-]*\w\.[A-Za-z]\w{0,4}(?![\w/]))/?"
)
_SHORT = (  # /u/ada/scratch, /p/project/lab
    r"(?:(?<![\w.~$%})\]*/\\^>@#:-])|(?<=file://))"
    r"/[a-z](?:/[\w.@+~-]{2,}){2,}(?:/[\w.@+~-]+)*+"
)
_DRIVE = (
    r"(?<![\w\\%)])(?:[A-Z]:(?:\\{1,4}|/)(?=[\w.$@-])"
    r"|[a-z]:(?:\\{1,4}|/)(?=[\w.$@-]{2,}(?:[\\/]|\s|\Z)))"
)
_WINDOWS_TAIL = r"(?:[^\s\"'<>|,;:*?]|(?<=[^\s]) (?=[^\s\"'<>|,;:*?\\/]{1,60}[\\/]))*"
_UNC = r"(?<![\w\\])(?:\\\\[A-Za-z][\w.$-]+\\|\\{4}[A-Za-z][\w.$-]+\\{1,4})[^\s\\\"'<>|,;:*?]"
_ESCAPED = r"%2F(?:home|Users|root|mnt|scratch|data)%2F[\w.%-]*"
_PATHS = rf"{_KNOWN}|{_UNKNOWN}|{_SHORT}|(?:{_DRIVE}|{_UNC}){_WINDOWS_TAIL}|{_ESCAPED}"
_PATH = LatePattern(_PATHS)
_KNOWN_PATH = LatePattern(rf"{_KNOWN}|(?:{_DRIVE}|{_UNC}){_WINDOWS_TAIL}|{_ESCAPED}")
_URL_OR_PATH = LatePattern(
    rf"(?P<url>(?<![A-Za-z0-9+.-])(?!file:)[A-Za-z][A-Za-z0-9+.-]{{0,20}}://(?!/)"
    rf"(?:(?![=,;:]/{_TOP}/|[=,;][A-Za-z]:[\\/]|%2F(?:home|Users|root|mnt|scratch|data)%2F)"
    rf"[^\s\"'<>])*)|{_PATHS}"
)
_WHOLE = LatePattern(rf"(?:/{_TOP}|//[\w-]+/[\w$.-]+(?:/[^\s:]*)?)/?")
_PATH_UNDER_KEY = LatePattern(r"/[\w.@+~-][^\n]*")


def redact_paths(
    text: str, holds_path: bool, hit: Callable[[str], None], *, known_only: bool = False
) -> str:
    """Return ``text`` without absolute paths (Linux, macOS, Windows drive and UNC).

    Args:
        text: any string.
        holds_path: its key says that it is a path.
        hit: called with ``path`` for each one.
        known_only: look only for folders that machines have, not for what merely is deep enough.
    """

    def path(match: re.Match[str]) -> str:
        if match.lastgroup == "url":
            return match[0]
        hit("path")
        return REDACTED_PATH

    if _WHOLE.fullmatch(text) or (holds_path and _is_one_path(text)):
        hit("path")
        return REDACTED_PATH
    if known_only and "://" not in text:
        return _KNOWN_PATH.sub(path, text)
    return (_URL_OR_PATH if "://" in text else _PATH).sub(path, text)


def _is_one_path(text: str) -> bool:
    return _PATH_UNDER_KEY.fullmatch(text) is not None and ":/" not in text and "," not in text


Rewriter: TypeAlias = Callable[[str], str]


@lru_cache(maxsize=64)
def root_rewriter(roots: tuple[Root, ...]) -> Rewriter | None:
    """Return a function that rewrites the paths below ``roots``, or None without usable roots."""
    tokens: dict[str, str] = {}
    for root in roots:
        prefix = root.prefix.rstrip("/\\")
        if len(prefix) > 1:
            for form in (prefix, quote(prefix)) if prefix.startswith("/") else (prefix,):
                tokens.setdefault(form, root.token)
    if not tokens:
        return None
    ordered = sorted(tokens, key=lambda prefix: (-len(prefix), prefix))
    posix = _posix_rewriter([p for p in ordered if p.startswith("/")], tokens)
    windows = _windows_rewriter([p for p in ordered if not p.startswith("/")], tokens)
    return lambda text: windows(posix(text))


def _posix_rewriter(prefixes: list[str], tokens: dict[str, str]) -> Rewriter:
    if not prefixes:
        return lambda text: text
    pattern = re.compile(
        rf"(?:file://(?:localhost)?|{_LEAD})({'|'.join(map(re.escape, prefixes))}){_END}(/*)"
        r"(?=([^\s\"'`:,;)\]}<>|&?#]?))"
    )

    def replace(match: re.Match[str]) -> str:
        return _stand_in(tokens[match[1]], below=bool(match[3]) and bool(match[2]))

    return lambda text: pattern.sub(replace, text) if "/" in text else text


def _windows_rewriter(prefixes: list[str], tokens: dict[str, str]) -> Rewriter:
    if not prefixes:
        return lambda text: text
    named = {prefix.replace("\\", "/").lower(): tokens[prefix] for prefix in prefixes}
    forms = "|".join(
        r"(?:\\{1,2}|/)".join(re.escape(part) for part in re.split(r"[\\/]", prefix))
        for prefix in prefixes
    )
    pattern = re.compile(
        rf"(?:file:///|(?<![A-Za-z0-9\\/]))({forms}){_END}([^\s\"'<>|,;:*?]*)", re.IGNORECASE
    )

    def replace(match: re.Match[str]) -> str:
        tail = _with_slashes(match[2]).lstrip("/")
        return _stand_in(named[_with_slashes(match[1]).lower()], below=bool(tail)) + tail

    return lambda text: pattern.sub(replace, text)


def _with_slashes(path: str) -> str:
    """Return a Windows path with slashes; in encoded text each backslash of it is doubled."""
    return path.replace("\\\\", "/").replace("\\", "/")


def _stand_in(token: str, *, below: bool) -> str:
    if token:
        return f"{token}/" if below else token
    return "" if below else "."
