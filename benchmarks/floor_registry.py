"""The floor of a collection: a bare Python that looks at, reads and removes the same files.

    python floor_registry.py BLOBS MANIFESTS [ORPHANS]

BLOBS is a folder of which every file is looked at. MANIFESTS and ORPHANS are files with a name a
line: those are read and hashed, and these are removed.
"""

# pathlib would add its own import to what is measured.
# ruff: noqa: PTH108, PTH118, PTH123

import hashlib
import os
import sys


def main(blobs: str, manifests: str, orphans: str = "") -> None:
    """Do what the arguments say."""
    with os.scandir(blobs) as entries:
        sum(entry.stat().st_size for entry in entries)
    for name in _names(manifests):
        with open(os.path.join(blobs, name), "rb", buffering=0) as stream:
            assert hashlib.sha256(stream.read()).hexdigest() == name
    for name in _names(orphans) if orphans else ():
        os.unlink(os.path.join(blobs, name))


def _names(path: str) -> list[str]:
    with open(path, encoding="ascii") as stream:
        return stream.read().split()


if __name__ == "__main__":
    main(*sys.argv[1:])
