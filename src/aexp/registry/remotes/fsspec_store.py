"""Every other kind of remote, through fsspec (extra ``remotes``): S3 and its like, memory, …."""

from __future__ import annotations

import errno
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from aexp.errors import (
    AexpError,
    CorruptDataError,
    MissingExtraError,
    NotFoundError,
    RemoteUnavailableError,
    TransferError,
    UsageError,
)
from aexp.model.remote import RemoteAddress
from aexp.registry.remotes.base import (
    CHUNK,
    NO_LIMITS,
    TEMP_FOLDER,
    Limits,
    Progress,
    Source,
)

_WHOLE_AT_ONCE: Final = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci"}
)
"""Stores in which an object appears when it is whole; elsewhere a file is moved into its place."""
_ONE_REQUEST: Final = 8 * CHUNK
"""Content up to this size is sent in one request, and read in pieces of it, unless limited."""
_LEAST_PART: Final = 5 * CHUNK
"""S3 takes no smaller parts, but for the last one."""
_MOST_PARTS: Final = 9_000
"""S3 takes 10,000 parts."""
_TRANSIENT = (
    *(errno.EIO, errno.EBUSY, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT, errno.ECONNRESET),
    *(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EPIPE, errno.ECONNREFUSED),
    getattr(errno, "EREMOTEIO", errno.EIO),
)
_BROKE_OFF: Final = frozenset(
    {
        *("ConnectionError", "EndpointConnectionError", "ConnectionClosedError", "HTTPClientError"),
        *(
            "ReadTimeoutError",
            "ConnectTimeoutError",
            "ResponseStreamingError",
            "ProxyConnectionError",
        ),
        *(
            "IncompleteReadError",
            "ClientConnectionError",
            "ClientPayloadError",
            "ServerTimeoutError",
        ),
    }
)
"""Errors of botocore and aiohttp, by the name of a class or of one it is made from."""


def open_fsspec(address: RemoteAddress, limits: Limits = NO_LIMITS) -> FsspecRemote:
    """Return a remote of the kind that the address's scheme names.

    Args:
        address: the remote's.
        limits: how long to wait, which S3 knows of, and how much to send at a time.

    Raises:
        MissingExtraError: fsspec, or the package for this kind, is not installed.
        UsageError: fsspec knows no such kind.
    """
    try:
        import fsspec
    except ImportError:
        raise MissingExtraError(
            f"{address.scheme}:// remotes need fsspec", hint="pip install 'aexp[remotes]'"
        ) from None
    settings: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if address.endpoint is not None:
        settings["endpoint_url"] = address.endpoint
    if address.scheme in ("s3", "s3a"):
        settings["config_kwargs"] = _client_settings(limits)
    try:
        system = fsspec.filesystem(address.scheme, **settings)
    except ImportError as error:
        extra = "pip install 'aexp[remotes]'" if address.scheme in ("s3", "s3a") else str(error)
        raise MissingExtraError(
            f"{address.scheme}:// remotes need a package that is not installed", hint=extra
        ) from None
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"no remote can be opened at {address.name}: {error}",
            hint="use sftp://, s3://, file:// or another kind that fsspec knows",
        ) from None
    if hasattr(system, "retries"):
        system.retries = 1
    root = str(system._strip_protocol(address.url.rstrip("/")))
    return FsspecRemote(
        system, root, address.name, address.scheme in _WHOLE_AT_ONCE, limits.chunk or _ONE_REQUEST
    )


def _client_settings(limits: Limits) -> dict[str, Any]:
    """Return the settings of S3's client.

    It does not try anything again by itself, and neither does s3fs: together they would make
    twenty-five tries of each of ours, which are counted, told and spaced as was asked (EXE-40).
    """
    found: dict[str, Any] = {"retries": {"total_max_attempts": 1}}
    for name, seconds in (
        ("connect_timeout", limits.connect_s),
        ("read_timeout", limits.answer_s),
    ):
        if seconds is not None:
            found[name] = seconds
    return found


class FsspecRemote:
    """A remote in a file system of fsspec.

    Args:
        system: the file system.
        root: the remote's folder in it.
        shown: how messages name it.
        whole_at_once: whether nothing of an object shows before all of it is there.
        request: bytes of one request, at least those of the smallest part that S3 takes.
    """

    def __init__(
        self,
        system: Any,
        root: str,
        shown: str,
        whole_at_once: bool,
        request: int = _ONE_REQUEST,
    ) -> None:
        self._request = max(request, _LEAST_PART)
        self._system = system
        self._root = root
        self.shown = shown
        self._whole_at_once = whole_at_once

    def size(self, path: str) -> int | None:
        """Return the size of a file in bytes, None when there is none."""
        with self._errors():
            try:
                found = self._system.info(self._place(path))
            except FileNotFoundError:
                return None
            return None if found.get("type") == "directory" else int(found.get("size") or 0)

    def list(self, folder: str) -> dict[str, int]:
        """Return the names and sizes of the files in a folder, none when there is no folder."""
        with self._errors():
            try:
                found = self._system.ls(self._place(folder), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
            return {
                str(item["name"]).rstrip("/").rpartition("/")[2]: int(item.get("size") or 0)
                for item in found
                if item.get("type") != "directory"
            }

    def read(self, path: str, limit: int) -> bytes:
        """Return a small file."""
        with self._errors():
            try:
                data: bytes = self._system.cat_file(self._place(path), start=0, end=limit + 1)
            except FileNotFoundError:
                raise self._missing(path) from None
        if len(data) > limit:
            raise CorruptDataError(f"{path} on {self.shown} is larger than it can be")
        return data

    def chunks(self, path: str, offset: int, size: int) -> Iterator[bytes]:
        """Yield a file's bytes from ``offset`` to ``size``, or to its end."""
        while offset < size:
            until = min(size, offset + self._request)
            with self._errors():
                try:
                    data: bytes = self._system.cat_file(self._place(path), start=offset, end=until)
                except FileNotFoundError:
                    raise self._missing(path) from None
            yield data
            offset += len(data)
            if offset != until:
                return

    def put(self, path: str, source: Source, size: int, token: str, progress: Progress) -> None:
        """Make a file of what ``source`` opens; it appears whole or not at all."""
        if size <= self._request and self._whole_at_once:
            with source() as stream:
                data = stream.read(size + 1)
                if len(data) != size or stream.read(1):
                    raise CorruptDataError(f"the content has not the {size} bytes expected")
            self._write(self._place(path), data)
            progress(size)
        elif self._whole_at_once:
            self._put_in_parts(self._place(path), source, size, progress)
        else:
            self._put_and_move(path, source, size, progress)

    def _put_in_parts(self, place: str, source: Source, size: int, progress: Progress) -> None:
        """Send an object in parts; only the last step, after all was checked, makes it one."""
        block = max(self._request, -(-size // _MOST_PARTS))
        with self._errors():
            target = self._system.open(place, "wb", block_size=block, autocommit=False)
        try:
            self._copy(target, source, size, progress)
            with self._errors():
                target.close()
                target.commit()
        except BaseException:
            self._give_up(target)
            raise

    def _give_up(self, target: Any) -> None:
        """Take back what was sent of an object.

        Left alone, fsspec makes an object of it when the file is collected as garbage.
        """
        with suppress(AexpError, AttributeError), self._errors():
            target.discard()
        with suppress(AttributeError):
            target.closed = True

    def _put_and_move(self, path: str, source: Source, size: int, progress: Progress) -> None:
        name = path.rpartition("/")[2]
        temp = self._place(f"{TEMP_FOLDER}/{name}.{secrets.token_hex(6)}.part")
        with self._errors():
            self._system.makedirs(self._place(TEMP_FOLDER), exist_ok=True)
            target = self._system.open(temp, "wb")
        try:
            with target:
                self._copy(target, source, size, progress)
            with self._errors():
                self._system.makedirs(self._place(path.rpartition("/")[0]), exist_ok=True)
                self._system.mv(temp, self._place(path))
        except BaseException:
            with suppress(AexpError), self._errors():
                self._system.rm_file(temp)
            raise

    def _copy(self, target: Any, source: Source, size: int, progress: Progress) -> None:
        done = 0
        with source() as stream:
            while chunk := stream.read(CHUNK):
                with self._errors():
                    target.write(chunk)
                progress(len(chunk))
                done += len(chunk)
        if done != size:
            raise CorruptDataError(f"{done} bytes came where {size} were expected")

    def write(self, path: str, data: bytes) -> None:
        """Make a small file, or replace one, at once."""
        place = self._place(path)
        if self._whole_at_once:
            self._write(place, data)
            return
        temp = self._place(f"{TEMP_FOLDER}/{secrets.token_hex(8)}.part")
        with self._errors():
            self._system.makedirs(self._place(TEMP_FOLDER), exist_ok=True)
            self._system.makedirs(place.rpartition("/")[0], exist_ok=True)
        self._write(temp, data)
        with self._errors():
            self._system.mv(temp, place)

    def _write(self, place: str, data: bytes) -> None:
        with self._errors():
            try:
                self._system.pipe_file(place, data)
            except FileNotFoundError as error:
                raise TransferError(
                    f"{self.shown}: the bucket or folder is not there",
                    hint="make it, or correct the URL",
                ) from error

    def tidy(self, age_s: float) -> None:
        """Do nothing: object stores show no parts, and drop old ones by a rule of their own."""

    def close(self) -> None:
        """Do nothing: fsspec ends its connections by itself."""

    def _place(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _missing(self, path: str) -> NotFoundError:
        return NotFoundError(f"{path} is not on {self.shown}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except AexpError:
            raise
        except _error_classes() as error:
            raise self._translated(error) from error

    def _translated(self, error: BaseException) -> AexpError:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        message = f"{self.shown}: {' '.join(str(reason).split())}"
        if isinstance(error, TimeoutError | ConnectionError | EOFError) or kinds & _BROKE_OFF:
            return RemoteUnavailableError(message)
        if isinstance(error, OSError) and error.errno in _TRANSIENT:
            return RemoteUnavailableError(message)
        if kinds & {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"}:
            hint = "set AWS_PROFILE, the AWS_… variables, or ~/.aws/credentials"
            return TransferError(f"{self.shown}: no credentials were found", hint=hint)
        if isinstance(error, PermissionError):
            hint = "see whether your credentials for it are right, and allow this"
            return TransferError(message, hint=hint)
        return TransferError(message)


def _error_classes() -> tuple[type[BaseException], ...]:
    """Return what the packages in use raise; those that were never loaded raise nothing."""
    found: list[type[BaseException]] = [OSError, EOFError]
    for module, name in (
        ("botocore.exceptions", "BotoCoreError"),
        ("botocore.exceptions", "ClientError"),
        ("aiohttp", "ClientError"),
    ):
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type):
            found.append(kind)
    return tuple(found)
