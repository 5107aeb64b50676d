"""Making an SSH connection the way the user's own ``ssh`` would."""

from __future__ import annotations

import contextlib
import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aexp import settings
from aexp.errors import MissingExtraError, RemoteUnavailableError, TransferError
from aexp.model.remote import RemoteAddress

if TYPE_CHECKING:
    from paramiko import SSHClient

CONNECT_WITHIN_S: Final = 20.0
ANSWER_WITHIN_S: Final = 120.0
"""A server that is silent for so long is given up."""


def load_paramiko(scheme: str) -> Any:
    """Return the package, which is slow to import.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import paramiko
    except ImportError:
        raise MissingExtraError(
            f"{scheme}:// remotes need paramiko", hint="pip install 'aexp[remotes]'"
        ) from None
    return paramiko


def connect(address: RemoteAddress, within_s: float | None = None) -> SSHClient:
    """Return a connection to the host of ``address``.

    What ``~/.ssh/config`` says of the host counts: HostName, Port, User, IdentityFile,
    IdentitiesOnly, UserKnownHostsFile, ProxyCommand and ProxyJump.

    Args:
        address: the remote's.
        within_s: seconds that each step of it may take.

    Raises:
        MissingExtraError: paramiko is not installed.
        TransferError: the host is not the one it should be, or does not let us in.
        RemoteUnavailableError: it cannot be reached.
    """
    paramiko = load_paramiko(address.scheme)
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    options = _options(address)
    client: SSHClient = paramiko.SSHClient()
    client.set_missing_host_key_policy(_RefuseUnknown(address.host))
    for known in _known_hosts(options):
        with contextlib.suppress(OSError):
            client.load_system_host_keys(str(known))
    host = str(options.get("hostname") or address.host)
    proxy = _proxy(options, host)
    within_s = within_s or CONNECT_WITHIN_S
    try:
        client.connect(
            host,
            port=address.port or int(options.get("port") or 22),
            username=address.user or options.get("user"),
            key_filename=_key_files(options),
            look_for_keys=options.get("identitiesonly", "no") != "yes",
            sock=proxy,
            timeout=within_s,
            banner_timeout=within_s,
            auth_timeout=within_s,
            channel_timeout=within_s,
        )
    except BaseException as error:
        client.close()
        raise _explained(error, address) from error
    transport = client.get_transport()
    if transport is not None:
        transport.set_keepalive(30)
    return client


def _explained(error: BaseException, address: RemoteAddress) -> BaseException:
    """Return what to raise in place of an error of a connection that was being made."""
    import paramiko

    name = address.name
    if isinstance(error, paramiko.BadHostKeyException):
        return TransferError(
            f"{name}: the host's key is not the one in known_hosts",
            hint=f"find out why, before you connect again with `ssh {address.host}`",
        )
    if isinstance(error, paramiko.AuthenticationException):
        return TransferError(
            f"{name}: the host does not let us in",
            hint=f"`ssh {address.host}` must work without a password: add your key to the agent",
        )
    if isinstance(error, socket.gaierror):
        return TransferError(
            f"{name}: there is no host {address.host}", hint="check the URL, or ~/.ssh/config"
        )
    # NoValidConnectionsError is an OSError: nobody listens, or no way there.
    if isinstance(error, paramiko.SSHException | OSError | EOFError):
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return RemoteUnavailableError(
            f"{name}: no connection: {reason}", hint=f"see whether `ssh {address.host}` works"
        )
    return error


class _RefuseUnknown:
    """A host whose key is not known may be anybody."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        raise TransferError(
            f"the host {self._shown} is not in known_hosts",
            hint=f"connect once with `ssh {self._shown}`, and accept its key if it is right",
        )


def _options(address: RemoteAddress) -> dict[str, Any]:
    import paramiko

    path = settings.ssh_folder() / "config"
    try:
        return dict(paramiko.SSHConfig.from_path(str(path)).lookup(address.host))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, ImportError, paramiko.SSHException) as error:
        # `Match exec` needs another package; a mistake in the file is ssh's to report in full.
        raise TransferError(
            f"~/.ssh/config is not understood: {error}", hint=f"see `ssh -G {address.host}`"
        ) from None


def _key_files(options: dict[str, Any]) -> list[str] | None:
    """Return the key files of the settings that are there: ssh passes over the others too."""
    named = [_expanded(str(name)) for name in options.get("identityfile", ())]
    return [str(path) for path in named if path.is_file()] or None


def _known_hosts(options: dict[str, Any]) -> list[Path]:
    named = str(options.get("userknownhostsfile") or "").split()
    users = [_expanded(name) for name in named] or [settings.ssh_folder() / "known_hosts"]
    return [*users, Path("/etc/ssh/ssh_known_hosts")]


def _proxy(options: dict[str, Any], host: str) -> Any:
    import paramiko

    command = options.get("proxycommand")
    jump = options.get("proxyjump")
    if not command and jump and jump.lower() != "none":
        command = f"ssh -W {host}:{options.get('port') or 22} {jump}"
    return None if not command or command.lower() == "none" else paramiko.ProxyCommand(command)


def _expanded(name: str) -> Path:
    # As ssh does, from the account's home; HOME is what tests and containers set.
    home = settings.ssh_folder().parent
    return home / name[2:] if name.startswith("~/") else Path(name)
