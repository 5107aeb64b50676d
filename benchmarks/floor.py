"""The floor: a bare Python that reads, and writes, the files that a command has to.

    python floor.py read ROOT [runs] [streams] [ledger] [kb]
    python floor.py backfill ROOT MANIFEST [streams]

``read`` reads every such file once and looks at none. ``backfill`` reads the runs, writes the
files of the manifest (lines of size, tab, path below ROOT), and makes all of it durable once.
"""

# pathlib would add its own import to what is measured.
# ruff: noqa: PTH123

import os
import sys


def read_runs(root: str, streams: bool) -> None:
    """Read both of signac's files of every run, and its streams if asked."""
    with os.scandir(root + "/.runs/workspace") as folders:
        for folder in folders:
            read_file(folder.path + "/signac_statepoint.json")
            read_file(folder.path + "/signac_job_document.json")
            if streams:
                read_tree(folder.path + "/streams")


def read_tree(path: str) -> None:
    """Read every file below ``path``."""
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir():
                read_tree(entry.path)
            else:
                read_file(entry.path)


def read_file(path: str) -> bytes:
    """Return the content of one file."""
    with open(path, "rb", buffering=0) as stream:
        return stream.read()


def backfill(root: str, manifest: str, streams: bool) -> None:
    """Read the runs, then write files of the manifest's sizes."""
    read_runs(root, streams)
    for line in read_file(manifest).decode().splitlines():
        size, path = line.split("\t")
        with open(root + "/" + path, "wb", buffering=0) as stream:
            stream.write(b"x" * int(size))
    os.sync()


def main(verb: str, root: str, *rest: str) -> None:
    """Do what the arguments say."""
    if verb == "backfill":
        backfill(root, rest[0], "streams" in rest[1:])
        return
    if "runs" in rest:
        read_runs(root, "streams" in rest)
    for name, path in (("ledger", "/.aexp/ledger"), ("kb", "/kb")):
        if name in rest:
            read_tree(root + path)


if __name__ == "__main__":
    main(*sys.argv[1:])
