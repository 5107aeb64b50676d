"""Passwords that a sentence tells, in the languages that laboratories write in (LED-02)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aexp.model.late_pattern import LatePattern
from aexp.model.secret_values import (
    REDACTED_SECRET,
    holds_drawn,
    is_jumbled,
    is_password_like,
    is_placeholder,
    is_surely_drawn,
)

__all__ = ["STEMS_OF_LANGUAGES", "in_prose"]

STEMS_OF_LANGUAGES = (
    "kennwort", "contrase", "senha", "wachtwoord", "l\u00f6senord", "adgangskode", "kodeord",
    "has\u0142o", "has\u0142a", "haslo", "heslo", "salasana", "jelsz", "parol", "lozink",
    "\u015fifre", "clave", "mdp", "cl\u00e9", "jeton", "chiave", "chave", "schl\u00fcssel",
    "slapta\u017eod",
    "contrasinal", "contrasenya", "\u043f\u0430\u0440\u043e\u043b",
    "\u03ba\u03c9\u03b4\u03b9\u03ba",
    "\u4ee4\u724c", "\u5bc6\u94a5", "\u79d8\u94a5", "\u91d1\u9470", "\u30ad\u30fc",
    "\u30c8\u30fc\u30af\u30f3",
    "\ud1a0\ud070", "\u0442\u043e\u043a\u0435\u043d", "\u043a\u043b\u044e\u0447", "\u53e3\u4ee4",
    "\u6697\u8a3c", "\uc554\ud638", "klucz", "nyckel", "avain",
    "\u5bc6\u7801", "\u5bc6\u78bc", "\u30d1\u30b9\u30ef\u30fc\u30c9", "\ube44\ubc00\ubc88\ud638",
)  # fmt: skip
"""In small letters: a text that holds none of them tells no password in these languages."""
_WORDS = (  # German, Dutch, Scandinavian, Romance, Slavic, and those further away
    r"(?:(?:haupt|admin\w{0,8}|benutzer|root-?|wlan-?|wifi-?|datenbank|start"
    r"|initial)?pass[wv]or[dt](?:et|en|e|a)?"
    r"|kennw\u00f6?ort(?:er)?|zugangscode|zugangsdaten|passphrase|passcode|wachtwoord(?:en)?"
    r"|toegangscode"
    r"|l\u00f6senord(?:et)?|losenord|adgangskode[nr]?|kodeord(?:et)?|passord(?:et)?|salasana[nt]?"
    r"|mots? de passe|mdp|code d['\u2019]acc\u00e8s|contrase(?:\u00f1|n)as?|clave(?: de acceso|"
    r" secreta)?"
    r"|parola(?: d['\u2019]ordine| chiave)?|parol\u0103|parole|parool|palavra-?(?: de )?-?passe"
    r"|senha"
    r"|contrasenya|contrasinal|has\u0142[oa]|haslo|hesl[oa]|lozink[aeu]|geslo|jelsz\u00f3"
    r"|parol[au]?"
    r"|slapta\u017eodis|\u015fifre(?:si|niz)?|sifre(?:si)?"
    r"|\u043f\u0430\u0440\u043e\u043b[\u044c\u044f\u0435\u0430\u0438]?"
    r"|\u03ba\u03c9\u03b4\u03b9\u03ba\u03cc\u03c2"
    r"|\u03c3\u03c5\u03bd\u03b8\u03b7\u03bc\u03b1\u03c4\u03b9\u03ba\u03cc"
    r"|\u5bc6\u7801|\u5bc6\u78bc|\u53e3\u4ee4|\u30d1\u30b9\u30ef\u30fc\u30c9"
    r"|\u6697\u8a3c\u756a\u53f7|\ube44\ubc00\ubc88\ud638"
    r"|\uc554\ud638|password|passphrase|passcode|pass ?phrase)"
)
_KEYS = (  # of these only what chance made
    r"(?:(?:api-?|zugangs)?schl\u00fcssel|cl\u00e9(?: d['\u2019]api| secr\u00e8te| api)?|jeton"
    r"(?: d['\u2019]acc\u00e8s)?"
    r"|chiave(?: api| segreta)?|chave(?: (?:de )?api| secreta)?|clave(?: (?:de )?api| secreta)"
    r"|(?:zugangs|zugriffs|auth|api)?-?token|sleutel"
    r"|nyckel|n\u00f8gle|klucz|kl\u00ed\u010d|avain|kulcs|\u043a\u043b\u044e\u0447|api[- ]?key"
    r"|gettone|ficha|(?:api|\u8bbf\u95ee|\u8a2a\u554f)?[ _-]?(?:\u4ee4\u724c|\u5bc6\u94a5"
    r"|\u79d8\u94a5|\u91d1\u9470"
    r"|\u30ad\u30fc|\u30c8\u30fc\u30af\u30f3|\ud1a0\ud070|\ud0a4|\u043a\u043b\u044e\u0447)"
    r"|\u0442\u043e\u043a\u0435\u043d\w?"
    r"|\u03ba\u03bb\u03b5\u03b9\u03b4\u03af)"
)
_OPEN = r"[\"'`*\u201c\u201d\u201e\u201a\u2018\u2019\u00ab\u00bb\u2039\u203a\u300c\u300e(\[]"
_CLOSE = r"\"'`*\u201c\u201d\u2018\u2019\u00ab\u00bb\u2039\u203a\u300d\u300f"
_IS = (
    r"(?:ist|lautet|hei\u00dft|war|wurde|auf|zu|est|sera|\u00e9tait|es|era"
    r"|ser\u00e1|\u00e9|\u00e8|sar\u00e0|is|was|are|to|wordt|luidt|\u00e4r|var|er|on|oli|jest"
    r"|brzmi|je"
    r"|este|bude|volt|\u044d\u0442\u043e|\u2014|\u2013|-|\u03b5\u03af\u03bd\u03b1\u03b9|\u662f"
    r"|\u4e3a|\u70ba"
    r"|\u306f|\ub294|\uc740|olarak|con|mit|avec|com|met|med|z|with|using|en|como|come|comme|als|som"
    r"|jako|reads|remains)"
)
_WORD = LatePattern(
    rf"(?:(?<![\w-])|(?<=[\u3000-\u9fff\uac00-\ud7a3]))(?:{_WORDS}|({_KEYS}))(?![A-Za-z_])", re.I
)
_SENTENCE = LatePattern(r"[^\n]{0,160}?(?:\n|[.?]\s|\Z)|[^\n]{160}")
_QUOTED = LatePattern(
    rf"{_OPEN}{{1,3}}[\s\u00a0\u202f]?([^\s{_CLOSE}"
    rf"()\[\]{{}}\uff08\uff09\u3001\u3002]{{6,160}})[\s\u00a0\u202f]?[{_CLOSE})\]]"
)
_STATED = LatePattern(
    rf"(?:(?:(?<=\s)|\A|(?<=[\u3000-\u9fff\uac00-\ud7a3])){_IS}|[:=\uff1a\uff1d\u2192]"
    rf"|->)[\s:\u00a0\u202f\u3000]{{0,3}}"
    rf"(?<=[\s:=\uff1a\uff1d\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3])"
    rf"([^\s{_CLOSE}{{}}\[\]<>\uff08\uff09\u3001\u3002\uff0c]{{6,160}})",
    re.I,
)
_NEXT = LatePattern(
    rf"[\s:=\uff1a\uff1d*_]{{1,6}}([^\s{_CLOSE}{{}}\[\]<>\uff08\uff09\u3001\u3002\uff0c]{{6,160}})"
)
_NO_PASSWORD = LatePattern(
    r"[\w.-]+(?:/[\w.-]+)+/?|[A-Za-z]{1,14}[-_]?\d{1,4}|\d+[.,:)]?|\d+[-_.]?[A-Za-z]{1,16}"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\$.*|.*[=(<].*|[A-Za-z0-9-]+(?:\.[a-z][a-z0-9-]+)+(?::\d+)?|[a-z]+(?:[-_][a-z0-9]+)+"
    r"|[\w.-]+:\d+"
    r"|[A-Za-z]+[!?*]+|.*\*\*|\?.*"
)
"""What follows such a word in prose and is none: a file, a host, a name with a number."""


def in_prose(text: str) -> Iterator[tuple[int, int]]:
    """Yield the passwords and keys that a sentence tells."""
    for match in _WORD.finditer(text):
        sentence = _SENTENCE.match(text, match.end())
        rest = sentence[0] if sentence is not None else ""
        if len(rest) > 6:
            yield from _in_sentence(rest, match.end(), is_key=match[1] is not None)


def _in_sentence(rest: str, start: int, *, is_key: bool) -> Iterator[tuple[int, int]]:
    for pattern in (_QUOTED, _STATED, _NEXT):
        found = (
            pattern.finditer(rest) if pattern is not _NEXT else filter(None, [_NEXT.match(rest)])
        )
        for match in found:
            value = match[1].rstrip(".,;:")
            if is_placeholder(value) or REDACTED_SECRET in value:
                continue
            if (
                is_surely_drawn(value)
                or (is_key and holds_drawn(value))
                or (not is_key and _is_password(value, quoted=pattern is _QUOTED))
            ):
                yield start + match.start(1), start + match.start(1) + len(value)
                return


def _is_password(value: str, *, quoted: bool) -> bool:
    if not is_password_like(value) or _NO_PASSWORD.fullmatch(value):
        return False
    return quoted or any(map(str.isdigit, value)) or is_jumbled(value)
