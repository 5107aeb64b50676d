"""Whether a value looks like a secret, like a placeholder, or like a setting (LED-02).

Names and settings of machine learning are full of the word *token*; a key alone therefore never
condemns a value. Its value must look like a credential too.
"""

from __future__ import annotations

import re

from aexp.model.late_pattern import LatePattern

__all__ = [
    "CHANCE",
    "CREDENTIAL",
    "LIKELY",
    "LISTED",
    "ORDINARY",
    "PASSWORD",
    "REDACTED_SECRET",
    "SECRET",
    "SIBLING",
    "holds_drawn",
    "is_drawn",
    "is_drawn_under",
    "is_encoded_or_mixed",
    "is_jumbled",
    "is_made",
    "is_mixed",
    "is_password_like",
    "is_placeholder",
    "is_random",
    "is_secret_value",
    "is_setting",
    "is_spelled",
    "is_surely_drawn",
    "is_word",
]

REDACTED_SECRET = "<redacted:secret>"  # noqa: S105 - what stands in place of one

ORDINARY, CHANCE, SIBLING, LISTED, LIKELY, CREDENTIAL, SECRET, PASSWORD = range(8)
"""How secret the value under a key is, judged by the key.

Chance is any other key: secret when chance made the value, and it is no digest and no id.
What is listed stands under a user's name in a group of users: a password, or anything about them.
A sibling is a bare ``key`` beside the name of a user: secret when chance made the value. Likely
is what ends in ``pass``: secret when the value can be a password, and is no words. Under a
secret and a password people write words, too.
"""

_OPAQUE = LatePattern(r"[!-;=?-~]+")  # printable, no space, no angle brackets
_PLACEHOLDER = LatePattern(
    r"\$(?:_?ENV[{\[].*|(?-i:[A-Z_][A-Z0-9_]*)|[a-z_]+|env:\w+|\{.*\}|\(.*)|\{.*\}|<.*>|\[.*\]"
    r"|[*x.?#\u2022\u2026-]+"
    r"|%\w+%|%\(\w+\)s|%s"
    r"|[\w-]{0,12}(?:[*\u2022]{3,}|\.{3}|\u2026)(?:[A-Za-z0-9]{0,4}"
    r"|@.*)"  # masked, but for its ends
    r"|(?:your|insert|enter|replace|placeholder|dummy|redacted|hidden|masked|change)[a-z]*"
    r"(?:[-_ ][a-z]+)*",
    re.I | re.S,
)
_REFERENCE = LatePattern(
    r"(?:env|file|fd|vault|ssm|arn|keyring|os\.environ|os\.getenv|process\.env|secrets)[:.\[(]",
    re.I,
)
"""Where a secret is kept, which is no secret."""
_URL_START = LatePattern(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://")
_NUMBER = LatePattern(r"[-+]?[\d_.,:]*(?:e[-+]?\d+)?%?|0x[0-9a-f]{1,16}", re.I)
_SEPARATORS = LatePattern(r"[-_./:=@ +,~\\]+")
_PIECES = LatePattern(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_WORD = LatePattern(r"(?:[A-Z]?[a-z]{1,14}|[A-Z]{1,14})(?:\d{0,3})|v?\d{1,4}", re.ASCII)
_NAMES_THINGS = LatePattern(  # words and versions, or a time
    r"(?:(?:[A-Z]?[a-z]{1,14}|[A-Z]{1,14})\d{0,3}|v?\d{1,4})"
    r"(?:[-_./:=+,~\\](?:(?:[A-Z]?[a-z]{1,14}|[A-Z]{1,14})\d{0,3}|v?\d{1,4}))*"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-][\d:]+)?",
    re.A,
)
_VOWEL = re.compile(r"[aeiouyAEIOUY]")
_RUN = LatePattern(r"[A-Za-z0-9]{20,}")
_RUN_OF_LONG = LatePattern(r"[A-Za-z0-9]{12,}")
_KINDS = LatePattern(r"[a-z]+|[A-Z]+|\d+")
_HEX = LatePattern(r"(?:[0-9a-f]{32,}|[0-9A-F]{32,})")
_UUID = LatePattern(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)
_SETTING_WORDS = (
    "absent allowed always argument auto basic boolean callback cleartext column correct "
    "default denied deprecated disable disabled disallowed empty enable enabled encrypted env "
    "environ environment expired external failed failure false field file fixed forbidden "
    "generated getpass hash hashed hidden ignore ignored incorrect inherit inline input instead "
    "integer interactive internal invalid keychain keyring kwarg ldap login manual masked "
    "method mismatch missing nullable object omitted option optional param parameter passphrase "
    "passwd password passwords plain plaintext prompt prompted provided random redacted "
    "rejected removed required rotated secret secrets static stdin string system target telnet "
    "token unchanged undefined unknown unset unused update username value varchar variable "
    "vault wrong "
)
_SETTINGS = frozenset(_SETTING_WORDS.split())
"""Words that stand under ``password`` and are none."""
_PIECE = LatePattern(r"[A-Za-z0-9+/=]{20,}")
_UNSPEAKABLE = LatePattern(r"[bcdfghjklmnpqrstvwxz]{6}|[BCDFGHJKLMNPQRSTVWXZ]{6}")
_ENCODED = LatePattern(r"[A-Za-z0-9+/]{24,}={0,2}")
_WITH_UUID = LatePattern(
    r"[A-Za-z]{1,8}[-_:.](?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32,64})", re.I
)
"""A short name and what chance made: ``ms-287b6a02-…``."""
_ADDRESS_OR_CODE = LatePattern(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*|[a-z0-9-]+(?:\.[a-z][a-z0-9-]+)+(?::\d+)?/?|[\w.-]+:\d+"
    r"|[\w.-]*/[\w./-]*|.*[()<>{}\[\]].*|[A-Za-z]+[!?*]+|\$.*"
)
_MEASURE = LatePattern(  # what is said of a password in prose, and is none
    r"\d+[-_ ]?[A-Za-z]+|\d+\.\d+[A-Za-z]{1,3}|(?:sha|md|base|utf|aes|bcrypt|pbkdf|argon|rot|rsa"
    r"|latin|iso|v)[-_]?\d+"
    r"(?:[-_]\w+)?|[\d.,:%-]+",
    re.I,
)


_OF_BASE64 = {ord(sign): None for sign in "+/="}


def is_placeholder(text: str) -> bool:
    """Return whether ``text`` stands for a secret, or says where it is kept."""
    return _PLACEHOLDER.fullmatch(text) is not None or _REFERENCE.match(text) is not None


def is_secret_value(text: str, secrecy: int) -> bool:
    """Return whether ``text`` under a key of that secrecy is a secret and not a setting."""
    if is_placeholder(text) or _URL_START.match(text):
        return False
    if secrecy == PASSWORD:
        if len(text) < 6 or REDACTED_SECRET in text or text.startswith(("/", "~/")):
            return False
        return not is_setting(text)
    if secrecy == CHANCE:
        return is_encoded_or_mixed(text)
    if secrecy == LISTED:
        return is_made(text) and " " not in text and not (text.islower() or text.isupper())
    if secrecy == LIKELY:
        return " " not in text and is_password_like(text) and not _NAMES_THINGS.fullmatch(text)
    if secrecy == SIBLING:
        bare = len(text) >= 12 and text.isalnum()
        return holds_drawn(text) or (bare and is_random(text))
    if secrecy == SECRET and 6 <= len(text) < 80 and text.isalnum():
        return not is_setting(text)
    if " " in text:  # a header's scheme and its credentials, several cookies
        return any(is_drawn(part) for part in re.split(r"[\s,;]+", text[:4096]))
    return len(text) >= 12 and _OPAQUE.fullmatch(text) is not None and is_random(text)


def is_setting(text: str) -> bool:
    """Return whether ``text`` says of a password what it is, or that there is none."""
    return text.lower().strip(".!") in _SETTINGS


def is_word(text: str) -> bool:
    """Return whether ``text`` may be a word, or two, of a sentence or a variable's name."""
    letters = text.replace("_", "").replace("-", "")
    word = letters.isalpha() and (letters.islower() or letters.isupper() or letters.istitle())
    return word and len(text) <= 14


def is_password_like(text: str) -> bool:
    """Return whether ``text`` can be a password where prose or an option may mean other things."""
    if len(text) < 6 or is_placeholder(text) or _MEASURE.fullmatch(text):
        return False
    if _NUMBER.fullmatch(text):
        return False
    if REDACTED_SECRET in text or _URL_START.match(text) or text.startswith(("/", "~/", "./")):
        return False
    letters = any(map(str.isalpha, text))
    if any(map(str.isdigit, text)) or any(c in "!@#$%^&*?+" for c in text):
        return letters
    return is_jumbled(text)


def is_jumbled(text: str) -> bool:
    """Return whether ``text`` is of letters whose case changes as in no name: ``lpzVWDjWxT``."""
    if len(text) < 8 or not text.isalpha() or text.islower() or text.isupper():
        return False
    return len(text) <= 3 * len(_PIECES.findall(text)) or is_mixed(text)


def is_made(text: str) -> bool:
    """Return whether ``text`` can be a password, and is no name, host, time or expression."""
    return is_password_like(text) and not (
        _NAMES_THINGS.fullmatch(text) or _ADDRESS_OR_CODE.fullmatch(text)
    )


def is_random(text: str) -> bool:
    """Return whether ``text`` is made of neither words nor numbers."""
    if _NUMBER.fullmatch(text) or len(set(text)) < 6 or text.startswith(("~/", "./")):
        return False
    if text.startswith("/"):  # a path, or base64 that happens to begin so
        return text.endswith("=") or is_mixed(text)
    is_word = _WORD.compiled.fullmatch
    if all(is_word(part) or is_spelled(part) for part in _SEPARATORS.split(text) if part):
        return False
    if _UNSPEAKABLE.search(text) and text.isalnum():
        return True
    pieces = _PIECES.findall(text)
    return len(text) >= 20 or (bool(pieces) and len("".join(pieces)) / len(pieces) < 4.5)


def is_spelled(text: str) -> bool:
    """Return whether ``text`` is of several words that can be said: ``withMaskAndScaleFalse``.

    Of letters drawn at random the pieces are two or three long, and have few vowels.
    """
    if not text.isalpha() or text.islower() or text.isupper():
        return False
    pieces = _PIECES.findall(text)
    if len(text) < 3.6 * len(pieces) or len(_VOWEL.findall(text)) < 0.28 * len(text):
        return False
    return all(len(p) < 15 and (len(p) < 3 or _VOWEL.search(p)) for p in pieces)


def is_mixed(text: str) -> bool:
    """Return whether a run in ``text`` changes between cases and digits as only chance does.

    Among letters and digits drawn at random two neighbours in three are of different kinds;
    in names that people make (``Qwen2ForSequenceClassification``) hardly one in four.
    """
    for run in (_RUN if len(text) < 30 else _RUN_OF_LONG).findall(text):
        changes = len(_KINDS.findall(run)) - 1
        if changes >= 0.4 * (len(run) - 1) and not (
            run.islower() or run.isupper() or is_spelled(run)
        ):
            return True
    return False


def is_encoded_or_mixed(text: str) -> bool:
    """Return whether chance made ``text``, and it is neither a digest nor the id of something."""
    return is_mixed(text) or (
        _HEX.fullmatch(text) is None and is_drawn(text) and not _UUID.fullmatch(text)
    )


def holds_drawn(text: str) -> bool:
    """Return whether ``text`` or a long piece of it was made by chance: ``local-3f9c…``."""
    if is_drawn(text) or _WITH_UUID.fullmatch(text):
        return True
    return any(map(is_drawn, _PIECE.findall(text[:400])))


def is_drawn_under(text: str, secrecy: int) -> bool:
    """Return whether chance made ``text``, and no digest where digests are to be expected."""
    return is_encoded_or_mixed(text) if secrecy == CHANCE else is_drawn(text)


def is_surely_drawn(text: str) -> bool:
    """Return whether chance made ``text``, and no program's author named something so."""
    return is_drawn(text) and sum(map(str.isdigit, text)) > 1


def is_drawn(text: str) -> bool:
    """Return whether ``text`` is certainly no word of a sentence: long, and made by chance."""
    if len(text) < 16 or not _OPAQUE.fullmatch(text) or len(set(text)) < 6:
        return False
    if _HEX.fullmatch(text) or _UUID.fullmatch(text) or is_mixed(text):
        return True
    if _ENCODED.fullmatch(text) and is_mixed(text.translate(_OF_BASE64)):
        return True
    if "/" in text[:2] or not text.rstrip("=").replace("-", "").replace("_", "").isalnum():
        return False
    changes = len(_KINDS.findall(text)) - 1
    return changes >= 0.35 * (len(text) - 1) and is_random(text)
