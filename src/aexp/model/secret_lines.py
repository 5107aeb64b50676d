"""Secrets in files of lines: settings without a sign, tables, and what a comment says (LED-02).

``requirepass …`` of redis and its kin have a blank where others have ``=``; in a table the name
stands in the cell before, or at the head of the column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aexp.model.late_pattern import LatePattern
from aexp.model.secret_names import key_info
from aexp.model.secret_values import (
    CHANCE,
    ORDINARY,
    PASSWORD,
    REDACTED_SECRET,
    SIBLING,
    is_drawn_under,
    is_made,
    is_mixed,
    is_password_like,
    is_placeholder,
    is_secret_value,
    is_surely_drawn,
)

__all__ = ["in_lines"]

_DIRECTIVE = LatePattern(  # a setting that nothing but a password follows
    r"^[ \t]*(?:sentinel[ \t]{1,4})?(?:config[ \t]{1,4}set[ \t]{1,4})?"
    r"(?:requirepass|masterauth|auth-pass[ \t]{1,4}\S{1,60}|sentinel-pass|tls-key-file-pass|bindpw"
    r"|rootpw|rootbindpw|olcRootPW:|auth_pass|ldap_bindpw|AuthLDAPBindPassword|remote_password"
    r"|bridge_password|insecure-password|wep_key\d?|wpa-psk(?:[ \t]{1,4}ascii[ \t]{1,4}\d)?"
    r"|key-string"
    r"|pre-shared-key|shared-secret|storepass|defAuthPassphrase|defPrivPassphrase|smtp_password"
    r"|(?:enable|line)[ \t]{1,4}(?:password|secret)(?:[ \t]{1,4}\d)?|SetEnv["
    r" \t]{1,4}\w{1,40}PASS\w{0,6}"
    r"|user(?:name)?[ \t]{1,4}\S{1,60}[ \t]{1,4}"
    r"(?:[a-z-]{1,16}[ \t]\S{1,16}[ \t]{1,4}){0,2}(?:(?:insecure-)?password"
    r"|secret)(?:[ \t]{1,4}\d)?"
    r"|(?:tacacs|radius)-server[ \t]{1,4}key(?:[ \t]{1,4}\d)?)"
    r"(?:[ \t]{1,4}(?:--?[a-z-]{2,20}|ascii-text|hexadecimal|plain-?text|clear-?text|local"
    r"|remote)){0,3}"
    r"[ \t]{1,20}([\"']?)(?!\d[ \t]|--)([^\s\"';]{4,200})\1",
    re.M | re.I,
)
_NAMED = LatePattern(  # password S3cret!, alone on its line or at its end
    r"^[ \t]*(?:(?:set|option|param|use|with|env|export|setting)[ \t]{1,4})?\$?"
    r"([A-Za-z][\w.-]{1,60})"
    r"[ \t]{1,20}([\"']?)([^\s\"';]{6,200})\2[ \t]*;?[ \t\r]*$",
    re.M,
)
_WITH_HEADER = LatePattern(  # proxy_set_header X-Api-Key "…"; SetEnv TOKEN …
    r"\b(?:(?:proxy_set_header|add_header|more_set_headers|fastcgi_param|uwsgi_param|SetEnv"
    r"|PassHeader"
    r"|set-header|add-header|RequestHeader[ \t]{1,4}(?:set|add)|Header[ \t]{1,4}(?:always["
    r" \t]{1,4})?set|set)"
    r"[ \t]{1,4})\$?([A-Za-z][\w-]{1,60})[ \t]{1,8}[\"']?((?:Bearer |Basic |Token"
    r" )?[^\s\"';]{6,400})",
    re.I,
)
_COMMUNITY = LatePattern(  # SNMP: the community is the password
    r"^[ \t]*(?:snmp-server[ \t]{1,4}community|r[ow]community6?|trapcommunity|com2sec6?["
    r" \t]{1,4}\S{1,40}"
    r"[ \t]{1,4}\S{1,60}|trap2?sink[ \t]{1,4}\S{1,80}|informsink[ \t]{1,4}\S{1,80})[ \t]{1,8}"
    r"([^\s\"']{6,100})",
    re.M | re.I,
)
_CREATE_USER = LatePattern(
    r"\bcreateUser[ \t]{1,4}(?:-e[ \t]{1,4}\S{1,40}[ \t]{1,4})?\S{1,40}"
    r"[ \t]{1,4}(?:MD5|SHA[\d-]*)[ \t]{1,4}\"?([^\s\"]{6,100})\"?"
    r"(?:[ \t]{1,4}(?:DES|AES[\d-]*)(?:[ \t]{1,4}\"?([^\s\"]{6,100})\"?)?)?",
    re.I,
)
_ACL = LatePattern(
    r"^[ \t]*(?:ACL SETUSER|user)[ \t]{1,4}\S{1,40}[^\n]{0,80}?[ \t]>(\S{4,200})", re.M | re.I
)
_IPSEC = LatePattern(
    r":[ \t]{1,4}(?:PSK|EAP|XAUTH|NTLM|RSA[ \t]\S{1,60})[ \t]{1,4}\"([^\"\n]{4,200})\""
)
_CHAP = LatePattern(
    r"^[ \t]*[\"']?[\w.@\\-]{1,60}[\"']?[ \t]{1,8}(?:\*|[\w.-]{1,60})[ \t]{1,8}[\"']?"
    r"([^\s\"'#]{6,100})[\"']?"
    r"[ \t]{1,8}(?:\*|\d{1,3}(?:\.\d{1,3}){3}(?:/\d\d?)?)[ \t]*$",
    re.M,
)
_SVN = LatePattern(r"^K 8\npassword\nV \d{1,3}\n([^\n]{4,200})$", re.M)
_MACHINE = LatePattern(
    r"\b(?:machine|default)\b[^\n]{0,120}?\s(?:password|passwd)\s{1,4}(\S{4,200})", 2
)
_STATS_AUTH = LatePattern(  # user:password after a setting's name
    r"(?:^|[\s,;])(?:stats[ \t]{1,4}auth|(?:proxy-)?user[ \t]{0,2}[=:]|userpwd[ \t]{0,2}="
    r"|auth-user-pass"
    r"|static:|\[[\w.-]{1,80}\](?::\d{1,5})?)[ \t]{0,4}[\"']?[\w.@+-]{1,60}:"
    r"([^\s\"':;,/]{6,100})[\"']?",
    re.M | re.I,
)
_OPENVPN = LatePattern(r"<auth-user-pass>\s{0,4}[^\s<]{1,80}\s{1,4}([^\s<]{4,100})\s")
_EXPECT = LatePattern(
    r"(?:assword|assphrase|token)[^\n]{0,60}\n?[^\n]{0,40}?\bsend(?:line)?\b[ \t(]{0,3}(?:--["
    r" \t]{1,3})?"
    r"[\"']([^\"'\n\\]{4,100})(?:\\[rn])?[\"']",
    re.I,
)
_NICKSERV = LatePattern(
    r"\bidentify[ \t]{1,4}(?:[\w-]{1,30}[ \t]{1,4})?([^\s\"']{6,80})\s*$", re.M | re.I
)


def _directives(text: str) -> Iterator[tuple[int, int]]:
    for match in _DIRECTIVE.finditer(text):
        if is_secret_value(match[2], PASSWORD):
            yield match.span(2)
    for match in _NAMED.finditer(text):
        secrecy = _secrecy(match[1])
        if secrecy and _told(match[3], secrecy):
            yield match.span(3)
    for match in _WITH_HEADER.finditer(text):
        secrecy = _secrecy(match[1])
        if secrecy and _told(match[2].rpartition(" ")[2], secrecy):
            yield match.span(2)
    for match in _COMMUNITY.finditer(text):
        if is_password_like(match[1]) or is_mixed(match[1]):
            yield match.span(1)
    for match in _CREATE_USER.finditer(text):
        yield from (match.span(at) for at in (1, 2) if match[at] and not is_placeholder(match[at]))
    for pattern in (_ACL, _IPSEC, _CHAP, _SVN, _MACHINE, _STATS_AUTH, _OPENVPN, _EXPECT, _NICKSERV):
        for match in pattern.finditer(text):
            if is_password_like(match[1]) or is_surely_drawn(match[1]):
                yield match.span(1)


# --- tables --------------------------------------------------------------------------------------

_CELL = LatePattern(r"[^|\t&,;\n]+")
_PLAIN_CELL = LatePattern(r"[^\w]*([A-Za-z\u00c0-\u024f][\w\u00c0-\u024f /.()'-]{0,50}?)[^\w]*")
_HTML_PAIR = LatePattern(
    r"<(?:td|th|dt|b|strong|li|label|code|span|em|p)\b[^<>]{0,80}>\s{0,4}(?:<\w{1,8}>)?"
    r"([^<>\n]{2,60}?)\s{0,4}:?"
    r"(?:\s{0,4}</?\w{1,8}[^<>]{0,60}>){1,5}:?\s{0,4}([^<>\s][^<>\n]{4,300}?)\s{0,4}<",
    re.I,
)
_VALUE_IN_CELL = LatePattern(
    r"\s*[*_`\"'\u201c\u00ab]{0,3}\s?(\S{6,300}?)\s?[*_`\"'\u201d\u00bb]{0,3}\s*(?:\\\\)?\s*"
)
_MOST_LINES, _MOST_CELLS = 400, 16


def _tables(text: str) -> Iterator[tuple[int, int]]:
    if "<" in text:
        for match in _HTML_PAIR.finditer(text):
            secrecy = _cell_name(match[1])
            if secrecy and _told(match[2], secrecy):
                yield match.span(2)
    start, head, head_sign = 0, {}, ""
    if " & " in text:  # the rows of LaTeX may stand in one line
        text = text.replace("\\\\", "\n\n")
    for number, line in enumerate(text.split("\n", _MOST_LINES)[:_MOST_LINES]):
        sign = _sign_of(line)
        if sign:
            cells = _cells(line[:4000], start, sign)
            columns = {at: s for at, cell in enumerate(cells) if (s := _cell_name(cell[1]))}
            if sign != head_sign or columns:
                head, head_sign, found = columns, sign, number
            yield from _row(cells, columns, {} if found == number else head, sign)
        elif line.strip(" +-=:|"):
            head, head_sign = {}, ""
        start += len(line) + 1


def _sign_of(line: str) -> str:
    for sign in ("|", "\t", " & ", ",", ";"):
        if sign in line.strip():
            program = sign in ",;" and (_OF_PROGRAM.search(line) or line.rstrip().endswith(sign))
            return "" if program else sign
    return ""


_OF_TABLES = ("|", "\t", " & ")
_OF_PROGRAM = LatePattern(r"[()\[\]{}=<>]")


def _cells(line: str, start: int, sign: str) -> list[tuple[int, str]]:
    cells, at = [], start
    for cell in line.split(sign)[: _MOST_CELLS + 1]:
        cells.append((at, cell))
        at += len(cell) + len(sign)
    return cells


def _row(
    cells: list[tuple[int, str]], names: dict[int, int], head: dict[int, int], sign: str
) -> Iterator[tuple[int, int]]:
    """Yield the secrets of a line: beside a name of its own, or below a name of the head."""
    for at, (start, cell) in enumerate(cells):
        beside = names.get(at - 1, ORDINARY) if sign in _OF_TABLES or len(cells) == 2 else ORDINARY
        secrecy = head.get(at, ORDINARY) or beside
        value = _VALUE_IN_CELL.fullmatch(cell) if secrecy else None
        if value is not None and _is_in_cell(value[1], secrecy) and not _CODE.search(value[1]):
            yield start + value.start(1), start + value.end(1)


def _is_in_cell(value: str, secrecy: int) -> bool:
    return _told(value, secrecy) or (
        secrecy == PASSWORD and is_made(value) and ";" not in value and value.count("=") < 2
    )


_CODE = LatePattern(r"[()\[\]{}\"'<>]|\A[A-Z][A-Z0-9_]*\Z")
"""What stands between the commas of a program and in no table."""


def _cell_name(cell: str) -> int:
    """Return how secret the cell after this one is, or the column below it."""
    if len(cell) > 80:
        return ORDINARY
    name = _PLAIN_CELL.fullmatch(cell)
    return _secrecy(name[1].strip().replace(" ", "_")) if name is not None else ORDINARY


# --- comments ------------------------------------------------------------------------------------

_WORD = (
    r"(?:pass(?:word|wd|phrase|code|wort)|pwd|api[ _-]?key|access[ _-]?key|secret(?:[ _-]key)?"
    r"|token"
    r"|credentials?|mot de passe|kennwort|contrase\u00f1a|senha|wachtwoord)"
)
_BEHIND = LatePattern(  # connect(dsn, 'kim', 'S3cret!')  # password
    r"(?:([\"'`])([^\"'`\s]{6,200})\1[)\]};,\s]{0,8}|(?<=\s)()([^\s\"'`(){}\[\]=]{6,200})["
    r" \t]{1,8})"
    r"(?:or die[^\n]{0,10})?(?:\#|//|--|%|/\*|;|!|<!--|<-)[ \t]{0,4}"
    r"(?!no |not |without |needs? |requires? |see |ask |get |set |read |from |todo)"
    rf"(?:[\w'-]{{1,20}}[ \t]){{0,3}}?{_WORD}\b",
    re.I,
)
_ABOVE = LatePattern(  # # the database password\nS3cret!
    r"^[ \t]*(?:\#|//|--|%|;|!|\*)+[ \t]*(?:[\w'-]{1,20}[ \t]){0,3}?"
    rf"{_WORD}[^\n]{{0,40}}\n[ \t]*(?:[\w.]{{1,40}}[ \t]{{0,4}}[=:][ \t]{{0,4}})?[\"'`]?"
    rf"([^\s\"'`]{{6,200}})[\"'`]?[;,]?[ \t\r]*$",
    re.M | re.I,
)


def _commented(text: str) -> Iterator[tuple[int, int]]:
    for match in _BEHIND.finditer(text):
        group = 2 if match[2] else 4
        value = match[group]
        if (
            (group == 2 and is_password_like(value) and not _HARMLESS.fullmatch(value))
            or is_surely_drawn(value)
            or (is_password_like(value) and is_mixed(value))
        ):
            yield match.span(group)
    for match in _ABOVE.finditer(text):
        value = match[1]
        if is_surely_drawn(value) or (is_password_like(value) and not _HARMLESS.fullmatch(value)):
            yield match.span(1)


_HARMLESS = LatePattern(
    r"[a-z]{1,14}[-_.]?\d{1,4}|.*[(){}\[\]<>=$].*|[\w.-]*\.[a-z]{2,5}|[\w-]+(?:/[\w.-]+)+|.*:"
)


def _secrecy(name: str) -> int:
    info = key_info(name)
    if info.short_password and info.secrecy:
        return PASSWORD
    return info.secrecy


def _told(value: str, secrecy: int) -> bool:
    """Return whether a bare value is a secret, and not the next word of a sentence."""
    if is_placeholder(value) or REDACTED_SECRET in value:
        return False
    if secrecy == PASSWORD:
        return is_password_like(value) and not _HARMLESS.fullmatch(value)
    if secrecy == CHANCE:
        return is_drawn_under(value, secrecy)
    return is_surely_drawn(value) or (secrecy != SIBLING and is_mixed(value))


def in_lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield where secrets stand in settings without a sign, in tables and beside comments."""
    yield from _directives(text)
    yield from _tables(text)
    yield from _commented(text)
