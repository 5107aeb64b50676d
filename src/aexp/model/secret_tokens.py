"""Secrets that show by their own shape, whatever stands around them (LED-02)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import cache

from aexp.model.late_pattern import LatePattern
from aexp.model.secret_values import REDACTED_SECRET, holds_drawn, is_mixed

__all__ = ["holds_token", "redact_keys", "redact_tokens"]

_RUN = re.compile(r"[A-Za-z0-9_+=$~-]{14}|[A-Za-z0-9+/]{40}|whsec_|\$2[abxy]\$|/hooks?/")
"""Every token has such a run; most texts have none, and need no further look."""
_TOKEN = LatePattern(
    r"(?:(?<![A-Za-z0-9])|(?<=%[2-7][0-9A-Fa-f])|(?<=\\[nrt])|(?<=\\u00[2-7][0-9a-f]))(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])|ABSK[A-Za-z0-9+/]{100,}"
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}|GHSAT0[A-Za-z0-9]{24,}"
    r"|gl(?:pat|dt|rtr?|cbt|ptt|ft|imt|agent|soat|ffct|wt)-[A-Za-z0-9_.-]{20,}|gloas-[a-f0-9]{40,}"
    r"|GR1348941[A-Za-z0-9_-]{20}|ATBB[A-Za-z0-9]{24,}|ATCTT3[A-Za-z0-9_=-]{60,}"
    r"|xox[abcdeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}"
    r"|sk-(?:ant|proj|svcacct|admin|or-v1|lf)-[A-Za-z0-9_-]{20,}|c?sk-[A-Za-z0-9]{32,}"
    r"|hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,}"
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}"
    r"|GOOG[A-Z0-9]{1,2}[A-Z0-9]{18,}(?![A-Za-z0-9])|4/0A[A-Za-z0-9_-]{50,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
    r"|eyJ[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]{0,4000}){4}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[\w-]{6}\.[\w-]{27}"
    r"|eyJhcGlf[A-Za-z0-9+/=]{40,}|MDAxY2xvY2F0aW9u[A-Za-z0-9_+/=-]{20,}"
    r"|npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{40,}|rubygems_[a-f0-9]{40,}|oy2[a-z0-9]{43}"
    r"|CLOJARS_[a-z0-9]{50,}|cio[A-Za-z0-9]{32}(?![A-Za-z0-9])|AKCp[A-Za-z0-9]{60,}"
    r"|cmVmdGtu[A-Za-z0-9]{50,}"
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{24,}"
    r"|access_token\$[a-z]{4,12}\$[a-z0-9]{16}\$[a-f0-9]{32}|access-[a-z]{4,12}-[a-f0-9-]{36}"
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|do[opr]_v1_[a-f0-9]{64}|dapi[a-f0-9]{32}"
    r"|xkeysib-[a-f0-9]{64}|xsmtpsib-[a-f0-9]{64}|SK[a-f0-9]{32}(?![A-Za-z0-9])"
    r"|dckr_[op]at_[A-Za-z0-9_-]{20,}|gsk_[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{37}"
    r"|xai-[A-Za-z0-9]{60,}|pplx-[A-Za-z0-9]{40,}|nvapi-[A-Za-z0-9_-]{50,}"
    r"|hv[srb]\.[A-Za-z0-9_-]{24,}"
    r"|wandb_v1_[A-Za-z0-9_]{20,}|lin_api_[A-Za-z0-9]{32,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"
    r"|AGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9]+)-1[0-9A-Z]{50,}|(?:bot)?\d{8,10}:AA[A-Za-z0-9_-]{33}"
    r"|lsv2_[a-z]{2}_[a-f0-9]{32}_[a-f0-9]{10}|(?<![._-])key-[a-f0-9]{32}(?![a-f0-9])"
    r"|(?:sbp|e2b|KGAT|fc|tvly|esecret|tgp_v1|api_key|jina|sl|shpua|dsapi)[_-][a-f0-9]{32,}"
    r"|(?:ntn_|secret_)[A-Za-z0-9]{43,50}|figd_[A-Za-z0-9_-]{36,}"
    r"|NRAK-[A-Z0-9]{27}|rpa_[A-Z0-9]{30,}[A-Za-z0-9]*|HRKU-[A-Za-z0-9_-]{30,}"
    r"|sq0(?:atp|csp)-[A-Za-z0-9_-]{22,}|ATATT3[A-Za-z0-9_=-]{100,}|DEV-[a-f0-9]{40}"
    r"|LTAI[A-Za-z0-9]{16,20}(?![A-Za-z0-9])|AKID[A-Za-z0-9]{32}(?![A-Za-z0-9])"
    r"|SCW(?=[A-Z]*\d)[A-Z0-9]{17}(?![A-Z0-9])"
    r"|pn[ub]_[A-Za-z0-9]{36}|pscale_[a-z]+_[A-Za-z0-9_-]{32,}|fw_[A-Za-z0-9]{24}"
    r"|[sp]k_[a-f0-9]{40,}|sntry[su]_[A-Za-z0-9_+/=-]{40,}|glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}"
    r"|glc_[A-Za-z0-9+/=]{32,}|tskey-[a-z]+-[A-Za-z0-9-]{20,}|nfp_[A-Za-z0-9]{36}"
    r"|(?:sq[apu]_|pul-|bk[a-z]{1,3}_|rdme_|dnkey-|trapi_|sgp_(?:[a-f0-9]{16}_)?)[a-f0-9]{40,}"
    r"|dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}|AQ[A-Za-z0-9+/]{36}(?:[A-Za-z0-9+/]{2})?=="
    r"|SWMTKN-1-[a-z0-9-]{60,}"
    r"|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"
    r"|sk\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"
    r"|1//0[A-Za-z0-9_-]{40,}"
    r"|LS0tLS1CRUdJTi[A-Za-z0-9+/]{0,26}(?:UFJJVkFUR|BSSVZBVE|QUklWQVRF)[A-Za-z0-9+/=]*"
    r"|(?:b3BlbnNzaC1rZXktdjE|MII[A-Za-z0-9+/]{1,3}IBA(?:DANBgkqhkiG9w0BAQEFAASC|AKC)"
    r"|M(?:HcCAQEEI|IGHAgEAMBMGByqGSM49|C4CAQAwBQYDK2VwBCIEI))"  # keys without their frame
    r"[A-Za-z0-9+/=]*(?:\s+[A-Za-z0-9+/=]{40,})*(?:\s+[A-Za-z0-9+/]{2,}={1,2})?"
    r"|\$(?:2[abxy]\$\d\d|apr1|1|5|6|y|argon2[a-z]{1,2}|pbkdf2[a-z0-9-]*|scrypt|7)\$[^\s\"'<>]{16,}"
    r"|pbkdf2(?:_|:)sha\d+[$:][^\s\"'<>]{20,}|\{S?SHA(?:\d{3})?\}[A-Za-z0-9+/=]{20,}"
    r")"
)
_MARK_WITHIN = LatePattern(
    r"(?<![A-Za-z0-9])(?:[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,}|[a-f0-9]{32}-us\d{1,2}"
    r"|[A-Za-z0-9~._-]{3}\dQ~[A-Za-z0-9~._-]{31,34}|[a-f0-9]{32}-[a-f0-9]{8}-[a-f0-9]{8}(?![\w-])"
    r"|[a-f0-9]{32}\.[A-Za-z0-9]{16}(?![\w.-])|[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}:fx"
    r"|[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{20,}|[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}"
    r"|[A-Za-z0-9+/]{76}(?:APIM|ACDb|\+A(?:Ba|MC|St|RmB|Eh))[A-Za-z0-9+/]{4,6}={0,2}"
    r"|[A-Za-z0-9+/]{30,}\+ACR[A-Za-z0-9]{6}|v1\.0-[a-f0-9]{24}-[a-f0-9]{140,})"
)
"""Tokens without a mark at their beginning, by which a search could be quick."""
_THREE_PARTS = LatePattern(
    r"(?<![A-Za-z0-9])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.([A-Za-z0-9_-]{27,})"
)
_SHORT_MARK = LatePattern(
    r"(?<![A-Za-z0-9+/=_.-])(?:[sb]\.([A-Za-z0-9]{24})(?![A-Za-z0-9_.-])|EAA([A-Za-z0-9_-]{57,}))"
)
_LONG_WORD = re.compile(r"[A-Za-z0-9_-]{20}")
_VENDOR = LatePattern(
    r"(?<![A-Za-z0-9/+=._-])(?!(?:sha|md5|blake|crc)[0-9a-z]*[-_])"
    r"[A-Za-z][A-Za-z0-9]{1,11}(?:[_.-][A-Za-z0-9]{1,8}){0,2}[_.-]([A-Za-z0-9_-]{20,})"
)
"""A short name and a run of characters: the form that nearly all tokens of services have."""
_WITHIN_URL = LatePattern(
    r"(https?://[^\s/\"'<>]{0,200}(?<![A-Za-z])(?:web)?hooks?[^\s\"'<>]{0,300}/"
    r"|https?://[^\s\"'<>]{0,300}/webhooks?[a-z0-9]*/"
    r"[^\s\"'<>]{0,300}?|(?:http|ws)s?://[^\s\"'<>]{0,300}/(?:with/key"
    r"|services(?:/[TB][A-Z0-9]{6,14}){0,2}|hooks?|p|t|bot"
    r"|tok|(?:[a-z]{1,20}[_-])?token|api[_-]?key|access[_-]?key|auth|secret|sas|credentials?)/)"
    r"([A-Za-z0-9_-]{20,}|(?<=/hooks/catch/)[\w/-]{8,})",
    re.I,
)
"""Addresses that are secret as a whole: webhooks, and what a service lets anybody with them do."""
_PEM = LatePattern(
    r"-{4,5} ?BEGIN (?:[A-Z0-9 ]{1,30} )?PRIVATE KEY(?: BLOCK)? ?-{4,5}.*?"
    r"(?:-{4,5} ?END (?:[A-Z0-9 ]{1,30} )?PRIVATE KEY(?: BLOCK)? ?-{4,5}|\Z)"
    r"|PuTTY-User-Key-File-\d:.*?(?:Private-MAC:[^\n]*|\Z)",
    re.S,
)
_BASE64 = LatePattern(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,}={0,2}")


def _has_few_signs(text: str) -> bool:
    """Return whether it is a placeholder of a token's form, ``ghp_xxxxxxxx``."""
    return len(set(text[-12:])) <= 2


def holds_token(text: str) -> bool:
    """Return whether ``text`` holds a token of a known form."""
    if not _RUN.search(text):
        return False
    return _TOKEN.search(text) is not None or any(
        is_mixed(found[1]) for found in _VENDOR.finditer(text)
    )


def redact_keys(text: str, hit: Callable[[str], None]) -> str:
    """Return ``text`` without private keys in their frames."""

    def secret(match: re.Match[str]) -> str:
        hit("secret")
        return REDACTED_SECRET

    if "BEGIN " in text or "PuTTY-" in text:
        return _PEM.sub(secret, text)
    return text


def redact_tokens(text: str, hit: Callable[[str], None], is_secret: Callable[[str], bool]) -> str:
    """Return ``text`` without tokens of known forms.

    Args:
        text: any string.
        hit: called with ``secret`` for each one.
        is_secret: whether a text that stood here in base64 holds a secret.
    """

    def secret(match: re.Match[str]) -> str:
        if _has_few_signs(match[0]):
            return match[0]
        hit("secret")
        return REDACTED_SECRET

    def vendor(match: re.Match[str]) -> str:
        if not is_mixed(match[match.lastindex or 0]):
            return match[0]
        hit("secret")
        return REDACTED_SECRET

    def address(match: re.Match[str]) -> str:
        words = match[2].replace("-", "").replace("_", "")
        if _has_few_signs(match[2]) or (words.isalpha() and words.islower()):
            return match[0]
        if "hook" not in match[1].lower() and not holds_drawn(match[2]):
            return match[0]
        hit("secret")
        return f"{match[1]}{REDACTED_SECRET}"

    def encoded(match: re.Match[str]) -> str:
        plain = _decoded(match[0])
        if plain is None or not is_secret(plain):
            return match[0]
        hit("secret")
        return REDACTED_SECRET

    if not _RUN.search(text):
        return text
    text = _TOKEN.sub(secret, text)
    if _LONG_WORD.search(text):
        text = _VENDOR.sub(vendor, text)
        text = _THREE_PARTS.sub(vendor, text)
        text = _SHORT_MARK.sub(vendor, text)
        text = _MARK_WITHIN.sub(secret, text)
        text = _BASE64.sub(encoded, text)
    return _WITHIN_URL.sub(address, text) if "://" in text else text


@cache
def _printable() -> frozenset[int]:
    return frozenset((9, 10, 13, *range(32, 127)))


def _decoded(text: str) -> str | None:
    """Return the plain text that stands here in base64, or None."""
    standard = text.translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
    try:
        if not _printable().issuperset(base64.b64decode(standard[:24])):
            return None
        raw = base64.b64decode(standard + "=" * (-len(standard) % 4))
    except (binascii.Error, ValueError):
        return None
    return raw.decode("ascii") if _printable().issuperset(raw) else None
