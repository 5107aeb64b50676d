"""Where a remote is, as ``aexp.yaml`` or the command line writes it (SHR-01)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aexp.errors import UnsafeValueError, UsageError
from aexp.model.credentials import redact_secrets

LOGIN_SCHEMES: Final = ("sftp", "ssh")
"""Schemes in which a user's name may stand before the host."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(/.*)?", re.S)
_HOST = re.compile(
    r"(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9._-]*)|\[[0-9A-Fa-f:.%]+\])(?::(?P<port>\d+))?"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_HINTS: Final = {
    "sftp": "leave it to the ssh agent or ~/.ssh/config; only the user's name may stand here",
    "s3": "leave it to AWS_PROFILE, the AWS_… variables or ~/.aws/credentials",
}
_ANY_HINT: Final = "leave it to the environment or the settings of that service"


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """A checked address: no part of it is a secret, so that it may be shown.

    Attributes:
        name: what it is called in ``aexp.yaml``; the address itself when it was given directly.
        url: as it was written.
        scheme: in lower case; ``file`` for a folder.
        user: the login's name, or an empty string.
        host: the host or bucket, or an empty string.
        port: the port, or None for the usual one.
        path: everything behind the host; for a folder all of it.
        endpoint: another server of the same kind (an S3 that is not Amazon's), or None.
    """

    name: str
    url: str
    scheme: str
    user: str
    host: str
    port: int | None
    path: str
    endpoint: str | None = None


def check_remote_name(name: str) -> str:
    """Return ``name`` when it can name a remote.

    Raises:
        UsageError: it holds more than letters, digits, ``.``, ``_`` and ``-``.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            "a remote's name has letters, digits, '.', '_' and '-' only", hint="for example: lab"
        )
    return name


def parse_remote(url: str, *, name: str = "", endpoint: str | None = None) -> RemoteAddress:
    """Return the address in ``url``.

    Args:
        url: ``scheme://…``, or a folder that begins with ``/``, ``./``, ``../`` or ``~/``.
        name: what it is called.
        endpoint: another server of the same kind.

    Raises:
        UnsafeValueError: it holds credentials. The message does not repeat them.
        UsageError: it is no address.
    """
    if _CONTROL.search(url):
        raise UsageError("a remote's URL holds no control characters")
    if endpoint is not None:
        _check_endpoint(endpoint)
    found = _URL.fullmatch(url)
    if found is None:
        if url.startswith(("/", "./", "../", "~/")):
            return RemoteAddress(name or url, url, "file", "", "", None, url)
        raise UsageError("it is neither a URL nor a folder", hint=_form_hint(url))
    scheme, authority, path = found[1].lower(), found[2], found[3] or ""
    _refuse_credentials(url, scheme, authority)
    if scheme in ("file", "local"):
        return _folder(name, url, authority, path)
    if "?" in url or "#" in url:
        raise UsageError("a remote's URL ends with its path", hint="leave out what follows ? or #")
    user, _, host = authority.rpartition("@")
    port = None
    if scheme in LOGIN_SCHEMES:
        host, port = _host_and_port(host)
        if path in ("", "/"):
            raise UsageError(
                "the folder on the host is missing",
                hint="write sftp://host/path, or sftp://host/~/path below the home there",
            )
    elif not host and scheme != "memory":
        raise UsageError("the host or bucket is missing", hint=f"write {scheme}://name/path")
    return RemoteAddress(name or url, url, scheme, user, host, port, path, endpoint)


def _check_endpoint(endpoint: str) -> None:
    found = _URL.fullmatch(endpoint)
    if found is None or found[1].lower() not in ("http", "https") or not found[2]:
        raise UsageError("its endpoint is no http or https URL")
    if "@" in found[2] or "?" in endpoint or redact_secrets(endpoint, _ignore) != endpoint:
        raise UnsafeValueError("its endpoint holds credentials", hint=_HINTS["s3"])


def _refuse_credentials(url: str, scheme: str, authority: str) -> None:
    user, at, _ = authority.rpartition("@")
    login = scheme in LOGIN_SCHEMES
    secret = bool(at) and (not login or ":" in user)
    # Whatever else looks like a secret is one: the file is committed, and messages show it.
    if secret or "@" in user or redact_secrets(url, _ignore) != url:
        kind = "sftp" if login else scheme
        raise UnsafeValueError(
            "a remote's URL may not hold credentials", hint=_HINTS.get(kind, _ANY_HINT)
        )


def _ignore(kind: str) -> None:
    """Take note of nothing: that something was found shows in the text."""


def _folder(name: str, url: str, authority: str, path: str) -> RemoteAddress:
    if authority not in ("", "localhost") or not path:
        raise UsageError("a file:// URL has three slashes", hint="write file:///path/of/the/folder")
    return RemoteAddress(name or url, url, "file", "", "", None, path)


def _host_and_port(authority: str) -> tuple[str, int | None]:
    found = _HOST.fullmatch(authority)
    if found is None:
        raise UsageError("the host's name is missing or wrong", hint="write sftp://host/path")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65536:
        raise UsageError("a port is a number from 1 to 65535")
    return found["host"].strip("[]"), port


def _form_hint(url: str) -> str:
    host, colon, path = url.partition(":")
    if colon and path and "/" not in host:
        return "write it as a URL: sftp://host/path, s3://bucket/path, file:///path"
    return "write sftp://host/path, s3://bucket/path, or a folder as /path, ./path or ../path"
