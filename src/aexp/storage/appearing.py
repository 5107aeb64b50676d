"""Writing a large file piece by piece, which appears whole or not at all.

What fits into memory is written with :func:`aexp.storage.atomic.write_atomic`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from aexp.errors import StorageError
from aexp.storage.atomic import TEMP_SUFFIX, storage_error, sync_folder


@contextmanager
def appearing(target: Path) -> Iterator[BinaryIO]:
    """Open a file that appears as ``target``, whole and durable, when the block ends well.

    Its folder must exist. When the block ends badly nothing is left behind, and a file that stood
    at ``target`` is untouched.

    Raises:
        StorageError: the disk refused.
    """
    temp = target.with_name(f"{target.name[:40]}.{secrets.token_hex(6)}{TEMP_SUFFIX}")
    try:
        with temp.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temp, target)
        sync_folder(target.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temp)
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            raise storage_error(error, target) from error
        raise
