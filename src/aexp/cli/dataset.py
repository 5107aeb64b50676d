"""``aexp dataset``: versioned lists of files, which executions read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.options import RegistryRoot, TableFormat, TextFormat
from aexp.cli.output import count, note, say, say_json, size_text, table
from aexp.cli.progress import ByteProgress
from aexp.errors import CorruptDataError, NotFoundError
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.data.verifying import Verified
    from aexp.ledger.datasets import DatasetRecord
    from aexp.repo import Layout

_Which = Annotated[
    str,
    Argument(
        help="A dataset, such as digits; its current version, or digits@1.0.0.", metavar="DATASET"
    ),
]
_SHORT = 19
"""``sha256:`` and 12 digits."""
_LISTED = 10


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    group = Group(
        "dataset", "Datasets: versioned lists of files that never change, for executions to read."
    )
    group.command("add")(add)
    group.command("list")(list_datasets)
    group.command("show")(show)
    group.command("verify")(verify)
    group.command("download")(download)
    app.add(group)


def add(
    name: Annotated[str, Argument(help="The dataset's name, which is its id.", metavar="NAME")],
    path: Annotated[
        Path | None,
        Argument(help="A folder, or one file; none for published assets alone.", metavar="PATH"),
    ] = None,
    version: Annotated[
        str | None,
        Option("--version", metavar="N.N.N", help="Such as 1.0.0; the next one when left out."),
    ] = None,
    description: Annotated[
        str | None,
        Option("--description", "-d", metavar="TEXT", help="What it is, in Markdown."),
    ] = None,
    execution: Annotated[
        list[str] | None,
        Option("--execution", metavar="RUN", help="Take all published assets of it; repeatable."),
    ] = None,
    asset: Annotated[
        list[str] | None,
        Option("--asset", metavar="ID", help="Take this published asset; repeatable."),
    ] = None,
    follow_links: Annotated[
        bool,
        Option("--follow-links", help="Take the files that symbolic links lead to."),
    ] = False,
    root: RegistryRoot = None,
    format: TextFormat = "text",
) -> None:
    """Add a version of a dataset: a folder of files, or assets that executions published.

    The bytes go into the registry, and the list of them into the ledger. A version never changes:
    the same content again is nothing to do, other content needs another version. Share it with
    `aexp push NAME` (the bytes) and `aexp sync` (the list).
    """
    from aexp.data.adding import add as run_add
    from aexp.data.fetching import Supply
    from aexp.registry import open_registry

    layout = open_layout()
    with ByteProgress("adding") as progress:
        done = run_add(
            layout,
            name,
            path,
            version,
            description=description,
            executions=execution or (),
            assets=asset or (),
            follow_links=follow_links,
            registry=open_registry(layout, root),
            progress=progress.add,
            supply=Supply(reporter=_reporter()),
        )
    record = done.record
    if format == "json":
        say_json({**_as_json(record), "created": done.created})
        return
    amount = f"{count(record.count, 'file')}, {size_text(record.size)}"
    if done.created:
        say(f"{record.label}: {amount}, {record.digest[:_SHORT]}")
    else:
        say(f"{record.label}: nothing to do, it has this content already ({amount})")
    if description and description != record.description:
        note(f"the description of {record.label} stays as it is: a version never changes")


def list_datasets(format: TableFormat = "table") -> None:
    """List the datasets of the ledger, each with its current version."""
    from aexp.data.datasets import list_all
    from aexp.ledger.datasets import read_datasets
    from aexp.registry import open_registry
    from aexp.tree import WorkTree

    layout = open_layout()
    records, problems = read_datasets(WorkTree(layout.root, has_git=layout.git_dir is not None))
    for problem in problems:
        note(f"{problem.path}: {problem.message}")
    if format == "json":
        current = {dataset.name: dataset.current for dataset in list_all(layout)}
        say_json(
            [
                {**_as_json(record), "current": current[record.name] == str(record.version)}
                for record in records
            ]
        )
        return
    latest = {record.name: record for record in records}
    if not latest:
        say("no datasets: add one with `aexp dataset add NAME PATH --version 1.0.0`")
        return
    registry = open_registry(layout)
    rows = [
        (
            record.name,
            str(record.version),
            str(sum(other.name == record.name for other in records)),
            str(record.count),
            size_text(record.size),
            "here" if registry.has(record.manifest) else "-",
        )
        for record in latest.values()
    ]
    table(("DATASET", "CURRENT", "VERSIONS", "FILES", "SIZE", "BYTES"), rows)


def show(
    dataset: _Which,
    files: Annotated[bool, Option("--files", help="List every file.")] = False,
    root: RegistryRoot = None,
    format: TextFormat = "text",
) -> None:
    """Show a version of a dataset: what is in it, and which versions there are."""
    from aexp.data.bags import files_of
    from aexp.data.datasets import lookup
    from aexp.model.dataset import member_key
    from aexp.registry import open_registry

    layout = open_layout()
    record = _record(layout, dataset)
    versions = lookup(layout, record.name).versions
    registry = open_registry(layout, root)
    listed = record.files
    if files or (listed is None and registry.has(record.digest)):
        listed = files_of(layout, registry, record)
    if format == "json":
        value = {**_as_json(record), "versions": list(versions)}
        if listed is not None:
            value["files"] = [file.to_json() for file in listed]
        say_json(value)
        return
    is_current = str(record.version) == versions[-1]
    say(f"dataset        {record.label}{' (current)' if is_current else ''}")
    say(f"versions       {', '.join(versions)}")
    say(f"files          {record.count}, {size_text(record.size)}")
    say(f"digest         {record.digest}")
    say(f"bytes          {'here' if registry.has(record.manifest) else _elsewhere(record)}")
    if record.description:
        say()
        say(record.description)
    if listed is None:
        return
    say()
    if files:
        table(
            ("FILE", "SIZE", "DIGEST"),
            [(file.path, size_text(file.size), file.digest[:_SHORT]) for file in listed],
        )
        return
    folders: dict[str, list[int]] = {}
    for file in listed:
        folders.setdefault(member_key(file), []).append(file.size)
    table(
        ("MEMBERS", "FILES", "SIZE"),
        [(key, str(len(found)), size_text(sum(found))) for key, found in sorted(folders.items())],
    )


def _elsewhere(record: DatasetRecord) -> str:
    return f"not here: `aexp dataset download {record.label}` fetches them"


def verify(
    datasets: Annotated[
        list[str] | None,
        Argument(
            help="Datasets or versions (digits@1.0.0); every version when left out.",
            metavar="DATASET",
        ),
    ] = None,
    root: RegistryRoot = None,
    format: TextFormat = "text",
) -> None:
    """Read the bytes of datasets in the registry, and compare them with the ledger's digests."""
    from aexp.data.verifying import verify as run_verify
    from aexp.registry import open_registry

    layout = open_layout()
    records = _records(layout, datasets or [])
    registry = open_registry(layout, root)
    with ByteProgress("verifying", sum(record.size for record in records)) as progress:
        done = [
            run_verify(layout, record, registry=registry, progress=progress.add)
            for record in records
        ]
    if format == "json":
        say_json([_verified_json(one) for one in done])
    else:
        for one in done:
            _say_verified(one)
        if not done:
            say("no datasets")
    damaged = [one.record.label for one in done if one.damaged]
    missing = [one.record.label for one in done if one.missing]
    if damaged:
        raise CorruptDataError(
            f"{', '.join(damaged)}: files are damaged here",
            hint=f"fetch them anew: `aexp pull {damaged[0]} --verify`",
        )
    if missing:
        raise NotFoundError(
            f"{', '.join(missing)}: files are not in the registry here",
            hint=f"fetch them: `aexp pull {missing[0]}`",
        )


def _say_verified(one: Verified) -> None:
    record = one.record
    amount = f"{count(record.count, 'file')}, {size_text(record.size)}"
    say(f"{record.label}: {amount}, {'whole' if one.ok else 'not whole'}")
    for word, paths in (("missing", one.missing), ("damaged", one.damaged)):
        for path in paths[:_LISTED]:
            note(f"  {word}: {path}")
        if len(paths) > _LISTED:
            note(f"  {word}: {len(paths) - _LISTED} more")


def _verified_json(one: Verified) -> dict[str, Any]:
    return {
        "name": one.record.name,
        "version": str(one.record.version),
        "ok": one.ok,
        "missing": list(one.missing),
        "damaged": list(one.damaged),
        "read": one.size,
    }


def download(
    dataset: _Which,
    output: Annotated[
        Path | None,
        Option(
            "--output", "-o", metavar="DIR", help="Where to; a folder below .aexp/bags if left out."
        ),
    ] = None,
    metadata_only: Annotated[
        bool, Option("--metadata-only", help="The list of the files, without their bytes.")
    ] = False,
    remote: Annotated[
        str | None,
        Option(
            "--remote",
            "-r",
            metavar="NAME",
            help="A remote of aexp.yaml, or a URL; else the default.",
        ),
    ] = None,
    root: RegistryRoot = None,
    format: TextFormat = "text",
) -> None:
    """Write a version of a dataset into a folder (a BagIt bag), every file verified.

    What the registry here does not have is fetched from the remote. A folder that holds the
    version already is verified, and mended.
    """
    from aexp.data.datasets import lookup
    from aexp.data.fetching import Supply
    from aexp.registry import open_registry

    layout = open_layout()
    record = _record(layout, dataset)
    reporter = _reporter()
    try:
        bag = lookup(layout, record.name).download_dataset_bag(
            str(record.version),
            materialize=not metadata_only,
            target=None if output is None else Path(os.path.abspath(output)),
            registry=open_registry(layout, root),
            supply=Supply(remote, reporter),
        )
    finally:
        reporter.end()
    if format == "json":
        members = {
            key: [member.file for member in found]
            for key, found in bag.list_dataset_members().items()
        }
        say_json({**_as_json(record), "path": str(bag.path), "members": members})
        return
    what = "listed" if metadata_only else "verified"
    say(f"{record.label}: {count(record.count, 'file')} {what}, {size_text(record.size)}")
    say(str(bag.path))


def _reporter() -> Any:
    from aexp.cli.transfer import Reporter

    return Reporter()


def _record(layout: Layout, text: str) -> DatasetRecord:
    from aexp.ledger.datasets import read_dataset
    from aexp.model.dataset import split_reference

    name, version = split_reference(text)
    return read_dataset(layout, name, version)


def _records(layout: Layout, wanted: Sequence[str]) -> list[DatasetRecord]:
    """Return the versions that were named; a damaged record is an error, also when none was."""
    from aexp.ledger.datasets import known_versions, read_version

    if wanted:
        return [_record(layout, text) for text in dict.fromkeys(wanted)]
    return [
        read_version(layout, name, version)
        for name, versions in known_versions(layout).items()
        for version in versions
    ]


def _as_json(record: DatasetRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "version": str(record.version),
        "description": record.description,
        "digest": record.digest,
        "count": record.count,
        "size": record.size,
        "manifest": record.manifest,
    }
