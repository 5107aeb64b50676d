"""Secrets that show by what stands beside them in a text: a name, a scheme, a user (LED-02).

One reading of names serves every notation: shell, YAML, TOML, INI, JSON, Python, URL queries,
headers and prose differ only in what stands between the name and its value.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import TypeAlias

from aexp.model.late_pattern import LatePattern
from aexp.model.secret_code import in_code, is_asking
from aexp.model.secret_layouts import in_layouts
from aexp.model.secret_lines import in_lines
from aexp.model.secret_names import key_info, words_of
from aexp.model.secret_prose import STEMS_OF_LANGUAGES, in_prose
from aexp.model.secret_values import (
    CREDENTIAL,
    LIKELY,
    ORDINARY,
    PASSWORD,
    REDACTED_SECRET,
    SIBLING,
    is_drawn,
    is_drawn_under,
    is_made,
    is_password_like,
    is_placeholder,
    is_random,
    is_secret_value,
    is_word,
)

__all__ = ["Span", "login_argument", "named_secrets", "says_secret"]

Span: TypeAlias = tuple[int, int]

_STEMS = (
    "pass", "pw", "secret", "token", "key", "auth", "cred", "cookie", "sig", "pat", "jwt",
    "bearer", "basic", "sas", "sess", "csrf", "xsrf", "otp", "psk", "login", "identified", "code",
    "<<<", "sudo", "iinit", "community", "user", "-team", "on >", "connect", "com2sec", "]:",
    "encrypt", "echo ", "printf", "hex:", "wifi:", "('", '("', "pin", "login=", "admins]", "users]",
    "\ttrue\t", "\tfalse\t", "<value", "</name>", "pragma", "sh -s", "sh <(", "u: ", "pdo(",
    "assword", "database(",
    "eap ", "wep_", "identify", *STEMS_OF_LANGUAGES,
)  # fmt: skip
_QUERY_STEMS = ("appid=", "hmac=", "policy=", "private_link=", "sid=", "&st=", "?st=", "&p=", "?p=")


def says_secret(text: str) -> bool:
    """Return whether a word stands in ``text`` that names of secrets are made of."""
    lower = text.lower()
    if any(map(lower.__contains__, _STEMS)):
        return True
    return "?" in text and any(map(lower.__contains__, _QUERY_STEMS))


# --- a name, a sign, a value ---------------------------------------------------------------------

_NAME = LatePattern(
    r"(?:(?<![A-Za-z0-9_.\\-])|(?<=\\[nrt])"
    r"|(?<=%[2-7][0-9A-Fa-f]))(-{0,2}[A-Za-z_][A-Za-z0-9_.-]{0,79}?)"
    r"([\\\"'\]]{0,4}[ \t]{0,10}(?:=>|:{1,3}=|==|[?+!|]{1,2}=|:-|[=:]"
    r"|%3[Dd])[ \t]{0,10}(?:[|>][+-]?\s{1,20})?"
    r"|[\"']\s{0,3},\s{0,3}(?=[\"']))"
    r"(?:[urbfURBF]{0,2}(\"{3}|'{3}|\\{0,2}[\"'`]))?"
)
_JUDGED = 128
_BARE = LatePattern(r"[^\s\"'&;<>(){}\[\]|`,]+")
_WORDS_BEFORE = LatePattern(r"(?:[A-Za-z0-9]{1,20} ){1,2}\Z")
_TO_WORD_BEFORE = ("key", "keys", "pass", "pw", "phrase", "token", "string", "id", "word")
_USER_BEFORE = LatePattern(
    r"(?:user(?:name)?|login|uid|usr|account|email|host)\b[^\n]{0,60}(?:\n[^\n]{0,30})?\Z", re.I
)
_CALL_BEFORE = LatePattern(
    r"(?:login|register\w*|activate\w*|auth\w*|connect|client|api|init|credential\w*"
    r"|session)\([^()\n]{0,60}\Z"
    r"|\w\([^()\n]{0,90}\b(?:url|host|server|base_url|endpoint)\s?=[^()\n]{0,90}\Z",
    re.I,
)
_QUERY_SECRETS = words_of(
    "sig signature sign hmac policy auth code key pass pw session sid st sas token hash_key appid "
    "rlkey resourcekey private_link authkey apitoken"
)
_USER_QUERIED = LatePattern(r"[?&](?:u|user(?:_?name)?|usr|login|account|email)=[^&\s]", re.I)
_QUERY_BEFORE = LatePattern(r"\?[^\s?\"'<>]{0,240}\Z")
_CODE = LatePattern(
    r"[A-Za-z_]+(?:\.[A-Za-z_]+)+|os\.\w.*|(?:Convert(?:To|From)?|Get|New|Read|Import|Export"
    r"|Invoke|Join|Select)-[A-Z][A-Za-z]+|None|True|False|null|str|Optional"
)

_CALL = LatePattern(
    r"[A-Za-z_]{1,60}\d{0,2}(?:(?:\.|::|->)[A-Za-z_]{1,60}\d{0,2}){0,8}!?"
    r"(?:\([^\n]{0,200}?(?:\)|(?<=\()\s{0,9}(?:\n|\Z))|\[[^\n\]]{0,80}\])"
)
"""The beginning of an expression of code: a call, or an item of something."""


def _is_call(text: str, start: int, value: str) -> bool:
    return _CALL.match(text, start) is not None and not is_drawn(value)


def _assigned(text: str) -> Iterator[Span]:
    """Yield the values that stand behind a secret's name and ``=``, ``:`` or the like."""
    done = 0
    for match in _NAME.finditer(text):
        if match.start() < done:
            continue
        name, sign, quote = match[1], match[2], match[3]
        secrecy = _secrecy_of(text, match.start(), name, ":" in sign)
        if not secrecy:
            continue
        start = match.end()
        value = _value(text, start, quote)
        if "," in sign and not (is_drawn(value) or is_password_like(value)):
            continue  # two names in a list
        if quote is None and (_CODE.fullmatch(value) or _is_call(text, start, value)):
            continue
        if is_word(value) and not _is_literal(text, match, value, quote):
            continue
        if is_secret_value(value, secrecy) and "://" not in value[:24]:
            is_long = len(value) > _JUDGED - 8
            done = _end(text, start, quote) if is_long else start + len(value)
            yield start, done
            continue
        pair = _LOGIN_PAIR.fullmatch(value) if key_info(name).secrecy else None
        if pair is not None and is_password_like(pair[1]):
            yield start + pair.start(1), start + len(value)


def _is_literal(text: str, name: re.Match[str], value: str, quote: str | None) -> bool:
    """Return whether a word is the value itself, and neither a variable nor part of a sentence."""
    if quote is not None:
        return "," not in name[2]
    if text[name.end() + len(value) :][:1].strip("\r\n"):
        tight = name[2] == "=" and not _IN_CODE.search(
            text, max(0, name.start() - 80), name.start()
        )
        return tight and text[name.end() + len(value)] in " ;&'\"|"
    line = text.rfind("\n", 0, name.start()) + 1
    return not text[line : name.start()].strip(" \t-") or name[2] == "="


_IN_CODE = LatePattern(r"[(,]\s{0,3}(?:\*\*)?[^\s]{0,40}\Z|\bself\b")
_LOGIN_PAIR = LatePattern(r"[A-Za-z0-9_.@+-]{1,40}[:/]([^\s/:]{6,})")


def _value(text: str, start: int, quote: str | None) -> str:
    """Return the beginning of the value at ``start``, long enough to judge it."""
    if quote is not None:
        end = text.find(quote, start, start + _JUDGED)
        value = text[start : end if end >= 0 else start + _JUDGED]
        return value.split("\n", 1)[0] if end < 0 or "\n" in value[:200] else value
    found = _BARE.match(text, start, start + _JUDGED)
    return found[0].rstrip(".:!\\") if found else ""


def _end(text: str, start: int, quote: str | None) -> int:
    """Return where the value at ``start`` ends, however long it is."""
    if quote is not None:
        end = text.find(quote, start)
        return end if end >= 0 else len(text)
    found = _BARE.match(text, start)
    return found.end() if found else start


def _secrecy_of(text: str, at: int, name: str, colon: bool) -> int:
    before = text[at - 1 : at]
    if before in ("?", "&", "~") and not colon:
        plain = name.lower().replace("-", "_")
        if plain == "p":
            query = _QUERY_BEFORE.search(text, max(0, at - 240), at + 1)
            rest = text[query.start() if query else at - 1 : at + 240].split(None, 1)[0]
            return LIKELY if _USER_QUERIED.search(rest) else ORDINARY
        known = plain in _QUERY_SECRETS or plain.endswith(("signature", "_sig"))
        return max(CREDENTIAL if known else ORDINARY, key_info(name).secrecy)
    info = key_info(name)
    if info.short_password and info.secrecy == CREDENTIAL:
        return PASSWORD if _USER_BEFORE.search(text, max(0, at - 80), at) else CREDENTIAL
    last = name.lower().lstrip("-")
    if last in _TO_WORD_BEFORE and before == " ":
        words = _WORDS_BEFORE.search(text, max(0, at - 44), at)
        if words:
            return key_info(words[0] + name).secrecy
    if last == "key":
        if before in ("(", " ", ",") and _CALL_BEFORE.search(text, max(0, at - 100), at):
            return CREDENTIAL
        return SIBLING if _is_beside_user(text, at) else ORDINARY
    return info.secrecy


def _is_beside_user(text: str, at: int) -> bool:
    """Return whether the name of a user stands in the section of INI, YAML or JSON around."""
    before, after = text[max(0, at - 240) : at], text[at : at + 240]
    before = before[max(before.rfind(end) + 1 for end in _SECTION_ENDS) :]
    for end in _SECTION_ENDS:
        after = after.partition(end)[0]
    return _USER_NAMED.search(before) is not None or _USER_NAMED.search(after) is not None


_SECTION_ENDS = ("\n\n", "\n[", "{", "}")
_USER_NAMED = LatePattern(
    r"(?<![\w-])(?:user(?:_?name)?|login|account(?:_?name)?|e?mail|uid|usr|endpoint|key_?id)"
    r"[\\\"']{0,3}\s{0,4}[=:]",
    re.I,
)


# --- a name, and a value elsewhere ---------------------------------------------------------------

_OPTION = LatePattern(
    r"(?<![\w-])-{1,2}([A-Za-z][\w.-]{0,60})[\"']?(?:\s{1,4}|[\"']?, ?)([\"']?)"
    r"(?!-)((?<=[\"'])[^\"'\n]{4,200}(?=[\"'])|[^\s\"'&;<>|`]{4,}|(?<=[\"'])[^\"'\n]{4,})"
)
_USER_OPTIONS = words_of(
    "u U a user auth creds credentials proxy-user userpwd login basic-auth basic src-creds "
    "dest-creds proxy-auth http-user"
)
_PAIR = LatePattern(r"[A-Za-z0-9_.@+\\-]{1,60}[:%]([^\s/:][^\s]*)")
_BESIDE = LatePattern(
    r"(?<![\w-])((?:[A-Za-z0-9_.]{1,40}[ _-])?"
    r"(?:pass(?:word|wd|phrase|code)?|pwd|pw|secret|token|key))"
    r"\s{1,3}[\"'`]?([^\s\"'`&;<>(){}\[\]|,]{6,})",
    re.I,
)
_NETRC = LatePattern(
    r"\b(?:login|user(?:name)?|account)\s{1,8}\S{1,80}\s{1,12}pass(?:word|wd)?\s{1,8}(\S{4,})", re.I
)
_PROSE = LatePattern(
    r"(?<![\w-])((?:[A-Za-z0-9]{1,20}[ _-]){0,2}"
    r"(?:pass(?:word|wd|phrase|code)?|pwd|pw|pin|secret|token|key"
    r"|credentials?|jwt|cookie))(?:\s(?:for|of|to|on|at|in)\s(?:the\s|my\s)?\S{1,40}){0,2}"
    r"(?:\s[A-Za-z]\S{0,20})?,?"
    r"\s{1,2}(?:(?:has been |was |is |got )?(?:changed|set|reset|rotated|updated) to"
    r"|is|was|are|=|equals|will be|should be|must be|remains|becomes|became):?"
    r"\s{1,2}(?:(?:now|just|still|simply|currently|always)\s)?:?\s?([\"'`\u201c\u2018]?)"
    r"(\S{4,200})",
    re.I,
)
_XML = LatePattern(
    r"<([A-Za-z][\w:.-]{1,60})(?:\s[^<>]{0,80})?>\s{0,4}([^<>\s][^<>]{3,200}?)\s{0,4}</\1"
)
_NAME_AND_VALUE = LatePattern(
    r"\b(?:name|key|variable|var)[\\\"']{0,3}\s{0,3}[:=]\s{0,3}[\\\"']{0,3}"
    r"([A-Za-z_][\w.-]{1,60})[\\\"',;\s]{1,30}"
    r"(?:value|val)[\\\"']{0,3}\s{0,3}[:=]\s{0,3}[\\\"']{0,3}([^\s\"'\\,;<>{}]{6,})",
    re.I,
)
_SET = LatePattern(
    r"\b(?:ENV|ARG|setenv|setx|set -g?x|set -xg|config set|configure set"
    r"|put-parameter|secret set|config:set|modify(?: --local)? \S{1,40}|config(?: --\w+)?)"
    r"\s{1,4}([A-Za-z/_][\w./:-]{1,80})\s{1,4}[\"']?([^\s\"'=][^\s\"']{3,})"
)
_SQL = LatePattern(
    r"\b(?:identified\b[^'\"\n;]{0,60}?\bby|(?:encrypted\s|with\s)?password)\s{0,3}"
    r"(?:password\s{0,2})?\(?\s{0,2}"
    r"[\"'](?![,:=)]\s)([^\s\"'][^\"'\n]{3,})[\"']",
    re.I,
)
_AUTH_PAIR = LatePattern(
    r"auth\w{0,20}[\"']?\s{0,3}[=:]\s{0,3}\w{0,30}["
    r"(\[]\s{0,3}[\"'][^\"'\n]{1,80}[\"']\s{0,2},\s{0,2}[\"']([^\"'\n]{4,})[\"']"
    r"|\bset_password\((?:[^,\n]{1,60},){2}\s?[\"']([^\"'\n]{4,})[\"']"
    r"|\blogin\(\s?[\"'][^\"'\n]{1,80}[\"'],\s?[\"']([^\"'\n]{4,})[\"']",
    re.I,
)
_TOLD = LatePattern(
    r"(?<![\w-])((?:[A-Za-z0-9]{1,20}[ _-]){0,2}"
    r"(?:pass(?:word|wd|phrase|code)?|pwd|pw|pin|secret|token|key|credentials?|jwt|cookie))"
    r"(?:\s(?:for|of|on|at|in)\s(?:the\s|my\s)?\S{1,40})?\s{0,2}"
    r"(?:\bto|\bas|\bwith|\busing|:|=|\(|,|->|\u2192)?"
    r"\s{0,2}(?:\*\*)?"
    r"([\"'`\u201c\u201d\u2018\u2019\u201e\u201a\u00ab\u2039(]{1,3}|(?<=to )|(?<=as ))"
    r"([^\s\"'`\u201c\u201d\u2018\u2019\u00bb\u203a)]{6,200})",
    re.I,
)
"""A name and a value in quotes of any kind: ``set the secret access key to `…```."""
_HEADER = LatePattern(
    r"\b(?:(bearer)|"
    r"(?:[a-z-]{0,20}authorization)[\\\"']{0,3}\s{0,3}[:=,]\s{0,3}[\\\"']{0,3}[A-Za-z][\w-]{0,30})"
    r"\s{1,3}([!-~]{8,})",
    re.I,
)
_CHALLENGE = LatePattern(r"(?:realm|charset|error|scope|algorithm|service)=", re.I)
_BASIC = LatePattern(r"\bBasic\s{1,2}([A-Za-z0-9+/_-]{8,}={0,2})")
_COOKIE = LatePattern(
    r"\b(?:set-)?cookies?[\\\"']{0,3}\s{0,3}[:=]\s{0,3}[\\\"']{0,3}([^\"'\n]{8,4096})", re.I
)
_COOKIE_VALUE = LatePattern(r"=([^;\s=,]{12,})")
_PIPED = LatePattern(
    r"\b(?:echo|printf)\s{1,3}(?:-\w+\s{1,3}|[\"']%s(?:\\n)?[\"']\s)?([\"']?)([^\s\"'|]{4,}"
    r"|[^\"'|\n]{4,200})\1\s{0,3}\|"
    r"[^\n]{0,120}?(?:[-_]stdin\b|sudo\s(?:-\S+\s){0,4}-\w{0,4}S|--with-token|chpasswd"
    r"|cryptsetup|passphrase-fd"
    r"|\blogin\b|[ik]init|passwd\b|gpg2?\b|openssl|ansible-vault|smbpasswd|pdbedit|\bpass insert"
    r"|secret-tool|secrets? (?:create|put|set|versions)|keepassxc|-proxy-init|myproxy|ecryptfs"
    r"|=/dev/stdin|pass(?:word)?-file[= ]-|-file[= ]-(?:\s|$)|luks|\bsu\b|vncpasswd|htpasswd|age\b)"
)
_HERE = LatePattern(
    r"(?:[-_]stdin|-S\b|--with-token|login|passwd|[ik]init|cryptsetup|gpg2?)[^\n"
    r"|]{0,80}<<<\s{0,3}([\"']?)([^\s\"']{4,})"
)


def _beside(text: str) -> Iterator[Span]:
    """Yield the secrets whose name stands before them without a sign between."""
    if "-" in text:
        yield from _options(text)
    for match in _NETRC.finditer(text):
        if not is_placeholder(match[1]) and is_secret_value(match[1], PASSWORD):
            yield match.span(1)
    for match in _BESIDE.finditer(text):
        secrecy = key_info(match[1]).secrecy
        if match[1][-4:].lower() in ("key", " key") and not secrecy:
            user = _USER_BEFORE.search(text, max(0, match.start() - 80), match.end(1) - 3)
            secrecy = SIBLING if user else ORDINARY
        if secrecy and (
            is_drawn_under(match[2], secrecy) or _is_beside(match[1], match[2], secrecy)
        ):
            yield match.span(2)
    for match in _PROSE.finditer(text):
        yield from _in_prose(text, match)
    for match in _TOLD.finditer(text):
        if is_asking(match[1]) and "(" in text[match.end(1) : match.start(3)]:
            continue
        secrecy, value = key_info(match[1]).secrecy, match[3].rstrip(".,;:")
        password = secrecy == PASSWORD or key_info(match[1]).short_password
        drawn = is_drawn_under(value, secrecy) or _is_base64_key(value)
        told = is_password_like(value) if password else drawn
        if secrecy and (told if match[2] else is_drawn_under(value, secrecy)):
            yield match.start(3), match.start(3) + len(value)
    for pattern in (_NAME_AND_VALUE, _SET, _XML):
        for match in pattern.finditer(text):
            name = match[1]
            secrecy = key_info(name).secrecy or key_info(name.partition(".")[0]).secrecy
            if secrecy and is_secret_value(match[2], secrecy):
                yield match.span(2)


def _is_base64_key(value: str) -> bool:
    """Return whether ``value`` is long base64 whose signs part it into runs of no length."""
    kinds = (str.isupper, str.islower, str.isdigit)
    return _BASE64_KEY.fullmatch(value) is not None and all(any(map(k, value)) for k in kinds)


_BASE64_KEY = LatePattern(r"(?=[^+]*\+|(?:[^/]*/){0,3}[^/]*\Z)[A-Za-z0-9+/]{36,}={0,2}")


def _is_beside(name: str, value: str, secrecy: int) -> bool:
    """Return whether a password stands bare behind its name, which may be of a sentence."""
    if name.lower().startswith(("with ", "using ")) and is_password_like(value):
        return secrecy == PASSWORD
    if secrecy and (secrecy == PASSWORD or key_info(name).short_password) and is_made(value):
        return any(map(str.isdigit, value)) and any(c in "!@#$%^&*?+" for c in value)
    return secrecy == PASSWORD and is_secret_value(value, CREDENTIAL)


def _options(text: str) -> Iterator[Span]:
    for match in _OPTION.finditer(text):
        name, value = match[1], match[3]
        if value.startswith("-") or _KEYWORD.match(text, match.end(1)):
            continue
        secrecy = key_info(name).secrecy if len(name) > 1 else ORDINARY
        if is_word(value) and not _NO_SENTENCE.match(text, match.end()):
            continue
        if secrecy and is_secret_value(value, secrecy):
            yield match.span(3)
        elif (offset := login_argument(name, value)) is not None:
            yield match.start(3) + offset, match.end(3)


_KEYWORD = LatePattern(r"[\"']\s{0,4},\s{0,4}(?:[A-Za-z_]\w*\s?[=:]|[A-Za-z_][\w.]*[(,)])")
"""What follows the declaration of an option: ``'--password', prompt=True``."""
_NO_SENTENCE = LatePattern(r"[\"']?\s{0,4}(?:[-|;&\n]|\Z)")


def login_argument(option: str, value: str) -> int | None:
    """Return where in the argument ``user:password`` of an option the password starts, if it does.

    Args:
        option: its name, without dashes.
        value: its argument.
    """
    pair = _PAIR.fullmatch(value) if option in _USER_OPTIONS else None
    return pair.start(1) if pair is not None and is_password_like(pair[1]) else None


def _in_prose(text: str, match: re.Match[str]) -> Iterator[Span]:
    secrecy = key_info(match[1]).secrecy
    start, value = match.start(3), match[3]
    quote = match[2]
    if quote:
        end = text.find({"\u201c": "\u201d", "\u2018": "\u2019"}.get(quote, quote), start)
        value = text[start:end] if end > start else value
    else:
        if _is_call(text, start, value) or _CODE.fullmatch(value):
            return
        value = value.rstrip(".,;:)\"'`")
    if (
        secrecy == PASSWORD
        or match[1].lower() == "pin"
        or (quote and key_info(match[1]).short_password)
    ):
        if is_password_like(value) or (quote and is_secret_value(value, PASSWORD)):
            yield start, start + len(value)
    elif secrecy and (
        is_drawn_under(value, secrecy) or is_secret_value(value, min(secrecy, CREDENTIAL))
    ):
        yield start, start + len(value)


def _in_headers(text: str) -> Iterator[Span]:
    for match in _HEADER.finditer(text):
        value = match[2].rstrip("\"'`,;)}]\\")
        if is_placeholder(value) or (match[1] and len(value) < 12):
            continue
        if _CHALLENGE.match(value):
            continue
        if is_random(value) or is_drawn(value):
            yield match.start(2), match.start(2) + len(value)
    for match in _BASIC.finditer(text):
        if _is_login(match[1]):
            yield match.span(1)
    for match in _COOKIE.finditer(text):
        for value in _COOKIE_VALUE.finditer(match[1]):
            if is_secret_value(value[1], CREDENTIAL):
                yield match.start(1) + value.start(1), match.start(1) + value.end(1)


def _is_login(text: str) -> bool:
    """Return whether ``text`` is ``user:password`` in base64."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_")
    except (binascii.Error, ValueError):
        return False
    return b":" in raw and raw.isascii() and raw.decode("ascii").isprintable()


def _in_code(text: str) -> Iterator[Span]:
    for match in _SQL.finditer(text):
        if is_secret_value(match[1], PASSWORD):
            yield match.span(1)
    for match in _AUTH_PAIR.finditer(text):
        group = match.lastindex or 0
        if is_secret_value(match[group], PASSWORD):
            yield match.span(group)
    for pattern in (_PIPED, _HERE):
        for match in pattern.finditer(text):
            if not is_placeholder(match[2]) and REDACTED_SECRET not in match[2]:
                yield match.span(2)


_KEY_LINE = LatePattern(
    r"(?m)^[ \t]{0,20}key[ \t]{0,4}[=:][ \t]{0,4}([\"']?)"
    r"((?:\d{1,9}:)?[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|[A-Za-z0-9]{32,80})"
    r"\1[ \t\r]{0,20}$"
)
_SERVICE_LINE = LatePattern(
    r"(?m)^[ \t]{0,20}(?:url|api_?url|base_?url|server|host)[ \t]{0,4}[=:][ \t]{0,4}"
    r"[\"']?https?://[^\s/\"']{1,200}(?:/[^\s.\"']{0,200})?[\"']?[ \t\r]{0,20}$",
    re.I,
)
"""The address of a service, not of a file, in lines of settings."""


def _of_services(text: str) -> Iterator[Span]:
    """Yield the keys that stand in lines of settings beside the address of a service."""
    if "://" not in text:
        return
    for match in _KEY_LINE.finditer(text):
        start, end = match.span()
        before, after = text[max(0, start - 400) : start], text[end : end + 400]
        section = before[before.rfind("\n\n") + 1 :] + after.partition("\n\n")[0]
        if is_drawn(match[2].partition(":")[2] or match[2]) and _SERVICE_LINE.search(section):
            yield match.span(2)


def named_secrets(text: str) -> Iterator[Span]:
    """Yield where secrets stand that a name or a scheme beside them gives away."""
    yield from _assigned(text)
    if "\n" in text:
        yield from _of_services(text)
    if any(map(text.__contains__, " \n(<{|,;\t")) or not text.isascii():
        yield from _beside(text)
        yield from _in_headers(text)
        yield from _in_code(text)
        yield from in_code(text)
        yield from in_lines(text)
        yield from in_layouts(text)
        yield from in_prose(text)
