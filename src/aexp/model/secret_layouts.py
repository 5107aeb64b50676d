"""Secrets whose name stands elsewhere: in another element, at the head of a section (LED-02).

``<name>password</name><value>…</value>``, ``variable "db_password" { default = "…" }``, a question
in a chat and its answer in the next line: the layout tells what belongs to what.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aexp.model.late_pattern import LatePattern
from aexp.model.secret_names import key_info
from aexp.model.secret_values import (
    CHANCE,
    CREDENTIAL,
    ORDINARY,
    PASSWORD,
    REDACTED_SECRET,
    SECRET,
    holds_drawn,
    is_drawn,
    is_encoded_or_mixed,
    is_made,
    is_password_like,
    is_placeholder,
    is_secret_value,
    is_surely_drawn,
    is_word,
)

__all__ = ["in_layouts"]

_SAID = (
    r"(?:pass(?:word|wd|phrase|code|wort|ord)?|pwd|pw|psk|kennwort|contrase\u00f1a|senha"
    r"|wachtwoord|mdp"
    r"|mot de passe|l\u00f6senord|has\u0142o|heslo|secret|token|credentials?)"
)

# --- elements of XML, plists and pages ------------------------------------------------------------

_SIBLINGS = LatePattern(  # <name>N</name><value>V</value>, <key>N</key><string>V</string>
    r"<([A-Za-z][\w:.-]{0,40})>\s{0,20}([A-Za-z_][\w.:/ -]{1,90}?)\s{0,20}</\1>\s{0,40}"
    r"<([A-Za-z][\w:.-]{0,40})(?:\s[^<>]{0,80})?>\s{0,20}(?:<\w{1,20}>\s{0,20})?"
    r"([^<>\s][^<>]{3,400}?)\s{0,20}</"
)
_NESTED = LatePattern(  # <Password><Value>V</Value>
    r"<([A-Za-z][\w:.-]{1,60})(?:\s[^<>]{0,80})?>\s{0,20}<(?:\w{1,20}:)?(?:value|string|text"
    r"|data|plain\w{0,8}"
    r"|content|literal)(?:\s[^<>]{0,60})?>\s{0,20}(?:<!\[CDATA\[)?([^<>\s\]][^<>\]]{3,400}?)"
    r"\s{0,20}(?:\]\]>|</)",
    re.I,
)
_ATTRIBUTE = LatePattern(  # <entry key="N">V</entry>, <property name="N"><value>V</value>
    r"<\w[\w:.-]{0,40}\s[^<>]{0,60}?\b(?:name|key|id"
    r"|property)\s?=\s?[\"']([A-Za-z_][\w.:-]{1,90})[\"'][^<>]{0,80}>"
    r"\s{0,20}(?:<\w[\w:.-]{0,40}>\s{0,20})?(?:<!\[CDATA\[)?([^<>\s\]][^<>\]]{3,400}?)"
    r"\s{0,20}(?:\]\]>|</)",
    re.I,
)


def _elements(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (_SIBLINGS, _NESTED, _ATTRIBUTE):
        for match in pattern.finditer(text):
            last = match.lastindex or 0
            name = match[2] if pattern is _SIBLINGS else match[1]
            secrecy = _secrecy(name.replace(" ", "_"))
            if secrecy and not is_word(match[last]) and is_secret_value(match[last], secrecy):
                yield match.span(last)


# --- blocks, sections and the lines below them ----------------------------------------------------

_BLOCK = LatePattern(  # variable "db_password" { default = "…" }; DbPassword:\n  Default: …
    r"(?:\b(?:variable|param(?:eter)?|output|input|argument|setting|secret)[ \t]{1,3}[\"']?"
    r"([A-Za-z_][\w.-]{1,60})[\"']?[ \t]{0,3}[{:(]|^[ \t]{0,20}[\"']?([A-Za-z_][\w.-]{1,60})"
    r"[\"']?[ \t]{0,3}:"
    r"[ \t]{0,3}\{?[ \t\r]{0,3}(?=\n)"
    r"|\bname[\"']?[ \t]{0,3}[:=][ \t]{0,3}[\"']?([A-Za-z_][\w.-]{1,60})[\"']?)"
    r"[^{}\n]{0,200}(?:\n[ \t]{0,40}[^\s{}:=\n][^{}\n]{0,160}){0,6}?[\n,;][ \t]{0,40}"
    r"[\"']?(?:default(?:_?value)?|value|initial|fallback"
    r"|string_?data)[\"']?[ \t]{0,20}[:=][ \t]{0,20}"
    r"[\"']?([^\s\"'{}<>,;]{6,400})",
    re.I | re.M,
)
_SECTION = LatePattern(  # [admins]\nkim = …
    r"^\[(?:\w{1,30}[. _/:-]){0,3}(?:admins?|users?|passwords?|passwd|accounts?|logins?"
    r"|credentials|secrets?"
    r"|tokens?|auth)\][ \t\r]{0,20}\n((?:(?!\[)[^\n]{0,400}(?:\n|\Z)){1,40})",
    re.I | re.M,
)
_ENTRY = LatePattern(
    r"^[ \t]{0,20}[\"']?[\w.@-]{1,60}[\"']?[ \t]{0,20}[=:][ \t]{0,20}([\"']?)([^\s\"',;]{6,200})",
    re.M,
)
_KEY_LINE = LatePattern(  # of Cisco's kin, below the server
    r"^[ \t]{1,8}key[ \t]{1,4}(?:[0567][ \t]{1,4})?([\"']?)([^\s\"';]{6,200})\1[ \t\r]*$",
    re.I | re.M,
)
_SERVER = LatePattern(r"\b(?:tacacs|radius|ldap|crypto|isakmp|ntp|bgp|ospf|aaa)\b", re.I)
_NTP = LatePattern(
    r"^[ \t]*\d{1,5}[ \t]{1,8}(?:M|MD5|SHA\d{0,3}|AES\d{3}|AES-?\d{0,3}-?CMAC)[ \t]{1,8}((?:HEX:"
    r"|ASCII:)\S{8,200})",
    re.I | re.M,
)
_ASKED = LatePattern(  # what was the password again?\n[14:03] Bo: …
    rf"\b{_SAID}\b[^\n?]{{0,80}}\?+[ \t\r\"']{{0,4}}\n{{1,2}}(?:[ \t>]{{0,6}}"
    r"(?:<@?[\w.-]{1,30}>|\[[^\]\n]{1,30}\]|\(?\d[\d:.-]{3,18}\)?)?"
    r"[ \t<*]{0,4}(?:@?[\w.-]{1,30}(?: [A-Z][\w.-]{0,20})?[ \t>*]{0,3}:)?[ \t*]{0,4})"
    r"(?:(?:it'?s|it is|is|try|use|still|sure|here|yes|ja|oui"
    r"|si)[,: ]{1,3}){0,3}[\"'`]?([^\s\"'`]{6,100})[\"'`]?[.!]?[ \t\r]*$",
    re.I | re.M,
)
_LABELS = LatePattern(  # user/password: a / b; login & pw = a, b
    r"\b(?:user(?:name)?|login|log-in|name|account|acct|email|id|benutzer|nutzer|usuario"
    r"|utilisateur|usu\u00e1rio"
    rf"|gebruiker|konto|client|key)[ \t]{{0,2}}([/|+&,:]|and|und|et|y|e"
    rf"|en)[ \t]{{0,2}}{_SAID}\b[ \t\"'*)]{{0,4}}"
    r"(?:[:=]|is|are|->|\u2192|-)?[ \t\"'`*(]{1,4}[^\s/|,]{1,60}[ \t\"'`*]{0,4}(?:[/|+&,:]|and"
    r"|und|et|y|e|en)"
    r"[ \t\"'`*]{1,4}([^\s\"'`]{6,200})",
    re.I,
)
_NUMBERED = LatePattern(  # Unseal Key 3: …
    r"(?<![\w-])((?:[A-Za-z]{2,20}[ _-]){1,3}(?:keys?|tokens?|shares?|secrets?"
    r"|codes?))[ _-]?(?:\#|no\.? ?)?"
    r"\(?\d{1,2}\)?[ \t]{0,3}[:=][ \t]{0,3}[\"'`]?([^\s\"'`,;]{8,200})",
    re.I,
)
_TYPED = LatePattern(  # pre-shared-key ascii-text "…"
    r"(?<![\w.-])([A-Za-z][\w-]{2,40})[ \t]{1,4}(?:ascii(?:-text)?|hex(?:adecimal)?|plain-?text"
    r"|clear-?text|clear"
    r"|plaintext)[ \t]{1,4}([\"']?)([^\s\"';]{6,200})",
    re.I,
)
_OF_DEVICES = LatePattern(  # of networks: message-digest-key 1 md5 …, password 0 …, auth sha …
    r"\b(?:(?:password|secret|key-string|key)[ \t][05678]"
    r"|(?:[\w-]{0,30}-)?key[ \t]\d{1,3}[ \t](?:md5|sha\S{0,8}))"
    r"[ \t]([^\s\"']{6,100})|\bauth[ \t](?:md5|sha\S{0,8})[ \t]([^\s\"']{6,100})"
    r"(?:[ \t]priv[ \t]\w{1,8}(?:[ \t]\d{1,3})?[ \t]([^\s\"']{6,100}))?",
    re.I,
)
_SHORT_LABELS = LatePattern(
    r"(?<![\w-])u: ?\S{1,60}[ ,;|/\n]{1,4}p(?:w|ass)?: ?([^\s\"',;|]{6,200})", re.I
)
_PIN = LatePattern(
    r"(?<![\w-])(?:PIN|TAN|PUK|(?:door|entry|gate|alarm|unlock|access|safe|lock)[ -]?(?:code"
    r"|pin)|t\u00fcrcode"
    r"|zugangscode|pin[ -]?(?:code|number|nummer)|(?:code|c\u00f3digo|codice)(?: d['e]| di"
    r"| de)? ?(?:acc\u00e8s|acceso"
    r"|accesso|porte|puerta|porta))(?:[ ](?:for|of|to|f\u00fcr|zur?|der|de|del"
    r"|per)[ ][^\n.:]{1,40}?)?"
    r"[ ]{0,2}(?::|=|is(?: now)?|lautet|ist|est|es|\u00e9|\u00e8"
    r"|to)[ ]{1,2}[\"'`]?(\d{4,8}[\#*]?)(?![\w.,-]*\d)",
    re.I,
)
_NO_PIN = LatePattern(
    r"gpio|postal|pincode|zip|pin_?out|footprint|connector|\u03bcs|voltage|adc", re.I
)

# --- what has a form of its own -------------------------------------------------------------------

_WIFI_CODE = LatePattern(
    r"\bWIFI:(?:[A-OQ-Z]:(?:\\.|[^;\\\n]){0,80};){0,5}P:((?:\\.|[^;\\\n]){4,80});", re.I
)
_WIFI = LatePattern(
    r"(?:\b|_)(?:e?ssid|wi-?fi|wlan|wpa|sae|hostapd|ipsec|ikev?\d?|vpn)(?:\b|_)", re.I
)
_SHARED_KEY = LatePattern(
    r"(?:(?<![\w-]))(?:psk|sae_password|wpa_passphrase|pre-?shared-?key)\s{0,3}[=:]\s{0,3}([\"']?)"
    r"([^\"'\s;]{8,100})",
    re.I,
)
_WITH_USER = LatePattern(
    r"(?<![\w-])-{1,2}(?:user(?:_?name)?|login|account(?:_?name)?|email"
    r"|uid)\b",
    re.I,
)
_JAR = LatePattern(  # a line of Netscape's cookies
    r"^(?:\#HttpOnly_)?[\w.-]{1,100}\t(?:TRUE|FALSE)\t[^\t\n]{1,200}\t(?:TRUE"
    r"|FALSE)\t\d{1,16}\t[^\t\n]{1,100}\t([^\t\n]{8,4000})$",
    re.M,
)
_SESSION_ITEM = LatePattern(  # the same in a mapping of Python or JSON
    r"[\"'][\w.-]{0,40}(?:session|sess|sid|csrftoken|sso)(?:[_-]?(?:id|key|token"
    r"|\d{1,3}))?[\"']\s{0,3}:\s{0,3}"
    r"[\"']([^\s;,\"'&<>]{16,4096})[\"']",
    re.I,
)
_SESSION = LatePattern(  # cookies by their names
    r"(?:(?<![\w.-])|(?<=[;\s\"']))(?:[\w.-]{0,40}(?:session|sess|sid|csrftoken|xsrf-token|auth"
    r"|remember\w{0,20}|connect\.sid|sso"
    r"|login)(?:[_-]?(?:id|key|token|cookie|\d{1,3}"
    r"|[0-9a-f]{32,64}))?)=(?:s%3A)?([^\s;,\"'&<>]{16,4096})",
    re.I,
)
_PAIRS = LatePattern(
    r"(?:\A|[\s\"':])[\w.-]{1,80}=[^\s;=]{1,400}={0,2}(?:; ?[\w.-]{1,80}=[^\s;]{0,400})+"
)
_KEPT_IN_FILE = LatePattern(  # echo kim:… > .passwd-s3fs
    r"\b(?:echo|printf)[ \t]{1,4}(?:-\w{1,3}[ \t]{1,4}"
    r"|[\"']%s(?:\\n)?[\"'][ \t]){0,2}([\"']?)([^\s\"'|>]{6,400}|(?<=[\"'])[^\"'\n]{6,200})"
    r"\1[ \t]{0,4}(?:>{1,2}"
    r"|\|[ \t]{0,3}(?:sudo[ \t]{1,3})?tee[ \t]{1,3}(?:-a[ \t]{1,3})?)"
    r"[ \t]{0,4}[\"']?[^\s\"';&|]{0,160}?"
    r"(?:passw|passwd|passphrase|\.pass|_pass\b|pgpass|netrc|secret|token|cred|\.key\b"
    r"|api[_-]?key|authinfo|htpasswd|\.my\.cnf)",
    re.I,
)
_PRAGMA = LatePattern(  # of SQLCipher
    r"\b(?:PRAGMA[ \t]{1,3}(?:\w{1,40}\.)?(?:hex|text)?(?:re)?key"
    r"|ATTACH\b[^\n;]{0,160}\bKEY)[ \t]{0,3}(?:=|\()?[ \t]{0,3}"
    r"[\"']([^\"'\n]{4,200})[\"']",
    re.I,
)
_BRACED = LatePattern(  # set db_password {…}; PWD={…}; local token = [[…]]; my $pw = q(…)
    r"(?:(?<![\w.-])|(?<=%3B))\$?([A-Za-z_][\w.-]{1,60})(?:[ \t]{0,4}(?:=|:=|=>|:)[ \t]{0,4}"
    r"|[ \t]{1,4})"
    r"(\{|\[\[|\bq[qw]?[\[({|!/]|%[qQw]?[\[({|]|R\"\w{0,8}\()"
    r"([^\s{}\[\]()|\"'\n]{6,200})(?:\}|\]\]|\)|\||!|/)"
)
_LOGIN_OPTION = LatePattern(  # --user=kim:…; login=kim:…
    r"(?:\buser[ ](?:add|create|set|passwd)[ ]|(?<![\w-])-{0,2}(?:user|username|login|auth"
    r"|creds?|credentials?|userpwd|proxy-user"
    r"|proxy[_-]auth|basic[_-]auth"
    r"|http-user|src-creds|dest-creds"
    r"|u)[ \t]?=[ \t]?[\"']?)[A-Za-z0-9_.@+\\-]{1,60}[:%]([^\s\"'/:;,&][^\s\"';,&]{5,200})",
    re.I,
)
_INSTALLER = LatePattern(  # bash <(curl -s https://…) -t …; curl … | sh -s -- -t …
    r"(?:\b(?:ba|z|da)?sh[ \t]{1,3}<\([^()\n]{1,300}\)"
    r"|\|[ \t]{0,4}(?:sudo[ \t]{1,3})?(?:\S{0,40}=\S{0,200}[ \t])?(?:ba|z|da)?sh\b)"
    r"([^\n|;&]{1,400})"
)
_WORD = LatePattern(r"[^\s\"'=]{16,}")
_SHORT_KEY = LatePattern(  # New-AzBatchContext -Key '…=='; ossutil config -k …
    r"(?<![\w-])(?:-{1,2}(?:key|accountkey|storagekey|primarykey|k|sk)|(?:\bAK\b"
    r"|\bSK\b))(?:[ \t]{1,4}|=)[\"']?"
    r"([A-Za-z0-9+/=_-]{24,400})(?![^\s\"';,)])",
    re.I,
)
_CLIENT = LatePattern(  # MPRester('…'): a client that is made with nothing but a key
    r"(?<![\w'\"])(?:new[ ])?([A-Z][A-Za-z0-9]{1,40}"
    r"|[a-z]\w{0,30}\.[A-Z][A-Za-z0-9]{1,40})\(\s{0,4}[\"']"
    r"([A-Za-z0-9_+/=-]{16,200})[\"']\s{0,4}[,)]"
)
_SERVICE_CLASS = LatePattern(
    r".*(?:Rester|Client|API|Api|Session|Instance|Connection|Service|Auth|Login|Gateway|SDK|Sdk"
    r"|Wrapper|Explorer|Bot"
    r"|Portal|Provider|Query|Catalog|Server|Hub|Remote|Downloader|Fetcher|Retriever"
    r"|Credential\w*|Key|Token|Secret)"
)
_WITH_HOST = LatePattern(  # Gateway('kim', '…', host='…')
    r"(?<![\w.])[A-Za-z_][\w.]{1,60}\(\s{0,4}(?:[\"'][^\"'\n]{1,120}[\"']"
    r"|[a-z_]\w{0,30}),\s{0,4}[\"']([^\"'\s]{6,200})[\"'],"
    r"\s{0,4}(?:host|hostname|server|port|url|base_url|endpoint|address|database|realm|domain"
    r"|secure|ssl|verify)\s?="
)


def _below(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while (match := _BLOCK.search(text, at)) is not None:
        group = next(number for number in (1, 2, 3) if match[number])
        secrecy = _secrecy(match[group])
        told = secrecy and not is_word(match[4]) and is_secret_value(match[4], secrecy)
        if told:
            yield match.span(4)
        at = match.end() if told else match.end(group)
    for match in _SECTION.finditer(text):
        for entry in _ENTRY.finditer(text, match.start(1), match.end(1)):
            if is_made(entry[2]) or is_surely_drawn(entry[2]):
                yield entry.span(2)
    if _SERVER.search(text):
        for match in _KEY_LINE.finditer(text):
            if is_made(match[2]):
                yield match.span(2)
    for match in _ASKED.finditer(text):
        if is_made(match[1]) or is_surely_drawn(match[1]):
            yield match.span(1)


def _labelled(text: str) -> Iterator[tuple[int, int]]:
    for match in _LABELS.finditer(text):
        value = match[2].rstrip(".,;")
        if is_password_like(value):
            yield match.start(2), match.start(2) + len(value)
    for match in _NUMBERED.finditer(text):
        secrecy = _secrecy(match[1].replace(" ", "_").rstrip("s"))
        if secrecy > CHANCE and (is_drawn(match[2]) or holds_drawn(match[2])):
            yield match.span(2)
    for match in _TYPED.finditer(text):
        secrecy = _secrecy(match[1])
        if secrecy > CHANCE and (
            is_made(match[3]) or is_secret_value(match[3], max(secrecy, CREDENTIAL))
        ):
            yield match.span(3)
    for match in _OF_DEVICES.finditer(text):
        yield from (match.span(at) for at in (1, 2, 3) if match[at] and is_made(match[at]))
    for match in _SHORT_LABELS.finditer(text):
        if is_made(match[1]):
            yield match.span(1)
    if not _NO_PIN.search(text):
        for match in _PIN.finditer(text):
            yield match.span(1)
    for match in _BRACED.finditer(text):
        secrecy = _secrecy(match[1])
        if (
            secrecy in (PASSWORD, SECRET) and is_password_like(match[3]) and not is_word(match[3])
        ) or (secrecy > CHANCE and is_surely_drawn(match[3])):
            yield match.span(3)


def _formed(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (_WIFI_CODE, _NTP, _PRAGMA):
        for match in pattern.finditer(text):
            if not is_placeholder(match[1]) and REDACTED_SECRET not in match[1]:
                yield match.span(1)
    for match in _SHARED_KEY.finditer(text) if _WIFI.search(text) else ():
        if is_secret_value(match[2], PASSWORD) and is_password_like(match[2]):
            yield match.span(2)
    if "\t" in text:
        for match in _JAR.finditer(text):
            if holds_drawn(match[1].lstrip("_")):
                yield match.span(1)
    if "ookie" in text:
        for match in _SESSION_ITEM.finditer(text):
            if holds_drawn(match[1]):
                yield match.span(1)
    if _PAIRS.search(text):
        for match in _SESSION.finditer(text):
            if holds_drawn(match[1]):
                yield match.span(1)


def _commands(text: str) -> Iterator[tuple[int, int]]:
    for match in _KEPT_IN_FILE.finditer(text):
        value = match[2]
        _, colon, secret = value.rpartition(":")
        told = is_password_like(secret if colon else value) and not is_placeholder(value)
        told = told and "=" not in value[1:-2]
        if told and not value.startswith("$") and REDACTED_SECRET not in value:
            yield match.span(2)
    for match in _LOGIN_OPTION.finditer(text):
        if is_made(match[1]):
            yield match.span(1)
    for match in _INSTALLER.finditer(text):
        for word in _WORD.finditer(text, match.start(1), match.end(1)):
            if holds_drawn(word[0]) and "://" not in word[0]:
                yield word.span()
    for match in _SHORT_KEY.finditer(text):
        if is_encoded_or_mixed(match[1]) or (is_drawn(match[1]) and _WITH_USER.search(text)):
            yield match.span(1)


def _clients(text: str) -> Iterator[tuple[int, int]]:
    for match in _CLIENT.finditer(text):
        named = _SERVICE_CLASS.fullmatch(match[1]) is not None
        if is_encoded_or_mixed(match[2]) or (named and is_surely_drawn(match[2])):
            yield match.span(2)
    for match in _WITH_HOST.finditer(text):
        if is_made(match[1]) or is_encoded_or_mixed(match[1]):
            yield match.span(1)


def _secrecy(name: str) -> int:
    info = key_info(name)
    return PASSWORD if info.short_password and info.secrecy != ORDINARY else info.secrecy


def in_layouts(text: str) -> Iterator[tuple[int, int]]:
    """Yield where secrets stand whose name is elsewhere, or that a form of its own tells."""
    if "<" in text and "</" in text:
        yield from _elements(text)
    if "\n" in text:
        yield from _below(text)
    yield from _labelled(text)
    yield from _formed(text)
    yield from _commands(text)
    if "(" in text:
        yield from _clients(text)
