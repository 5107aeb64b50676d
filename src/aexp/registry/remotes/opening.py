"""From an address to a remote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aexp.errors import UsageError
from aexp.model.remote import LOGIN_SCHEMES, RemoteAddress
from aexp.registry.remotes.base import NO_LIMITS, Limits
from aexp.repo import Layout

if TYPE_CHECKING:
    from aexp.registry.remotes.base import Remote


def open_remote(layout: Layout, address: RemoteAddress, limits: Limits = NO_LIMITS) -> Remote:
    """Return the remote at an address. Nothing is asked of it yet.

    Args:
        layout: of the repository; a relative folder counts from its root.
        address: the remote's.
        limits: how long to wait for it, and how much to send at a time.

    Raises:
        MissingExtraError: its kind needs a package that is not installed.
        UsageError: there is no such kind.
    """
    if address.endpoint is not None and address.scheme not in ("s3", "s3a"):
        raise UsageError("endpoint_url is for s3:// remotes", hint="leave it out")
    if address.scheme == "file":
        from aexp.registry.remotes.folder import FolderRemote

        return FolderRemote(_folder(layout, address.path), address.name)
    if address.scheme in LOGIN_SCHEMES:
        from aexp.registry.remotes.sftp import SftpRemote

        return SftpRemote(address, limits)
    from aexp.registry.remotes.fsspec_store import open_fsspec

    return open_fsspec(address, limits)


def _folder(layout: Layout, path: str) -> Path:
    try:
        folder = Path(path).expanduser()
    except RuntimeError:
        raise UsageError(
            f"{path} is below no user's home", hint="write the whole path of the folder"
        ) from None
    return layout.root / folder
