"""``aexp registry``: what the registry holds, whether it is whole, artifacts as files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from aexp.cli import gc, transfer
from aexp.cli.declare import Argument, Group, Option
from aexp.cli.options import RegistryRoot, TableFormat, TextFormat
from aexp.cli.output import count, note, say, say_json, size_text, table
from aexp.cli.progress import ByteProgress
from aexp.errors import CorruptDataError
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.model.oci import Descriptor, Index, Manifest
    from aexp.registry.refs import Ref
    from aexp.registry.store import Registry

_Name = Annotated[
    str,
    Argument(help="A name, a digest, or the beginning of a digest.", metavar="ARTIFACT"),
]
_SHORT = 19
"""``sha256:`` and 12 digits."""


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    group = Group(
        "registry", "The bytes: attachments, curves and artifacts, each content kept once."
    )
    group.command("ls")(ls)
    group.command("inspect")(inspect)
    group.command("verify")(verify)
    group.command("export")(export)
    group.command("import")(import_)
    gc.register(group)
    transfer.register(group)
    group.command("remotes")(transfer.remotes)
    app.add(group)


def open_at(root: str | None) -> Registry:
    """Return the registry at ``root``, or of the repository around the working directory."""
    from aexp.registry import Registry, open_registry

    if root is not None:
        return Registry(Path(root).expanduser().absolute())
    return open_registry(open_layout())


def ls(
    show_runs: Annotated[
        bool,
        Option("--runs", help="List the runs, outputs and datasets whose bytes are kept, too."),
    ] = False,
    root: RegistryRoot = None,
    output: TableFormat = "table",
) -> None:
    """List the artifacts: committed sessions and imports."""
    from aexp.registry.lookup import listed_refs
    from aexp.registry.refs import OWNED

    registry = open_at(root)
    refs = listed_refs(registry)
    if show_runs:
        refs += [ref for kind in OWNED for ref in registry.refs(kind=kind)]
    if output == "json":
        say_json([_ref_json(registry, ref) for ref in refs])
        return
    if not refs:
        say(
            "no artifacts"
            if registry.exists()
            else f"no artifacts: there is no registry at {registry.root} yet"
        )
        return
    rows = [
        (ref.name, ref.kind, _shown_digest(registry, ref.digest), _shown_time(ref.updated_at))
        for ref in refs
    ]
    table(("NAME", "KIND", "DIGEST", "CHANGED"), rows)


def _shown_digest(registry: Registry, digest: str) -> str:
    return digest[:_SHORT] + ("" if registry.has(digest) else " (missing)")


def _ref_json(registry: Registry, ref: Ref) -> dict[str, Any]:
    return {
        "name": ref.name,
        "kind": ref.kind,
        "digest": ref.digest,
        "session": ref.session or None,
        "created_at": _json_time(ref.created_at),
        "updated_at": _json_time(ref.updated_at),
        "present": registry.has(ref.digest),
    }


def _json_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def inspect(name: _Name, root: RegistryRoot = None, output: TextFormat = "text") -> None:
    """Show what an artifact is made of."""
    from aexp.registry.lookup import find_artifact

    registry = open_at(root)
    digest, found_as = find_artifact(registry, name)
    manifest = registry.manifest(digest)
    if output == "json":
        say_json(_manifest_json(registry, digest, found_as, manifest))
        return
    size = registry.size(digest) or 0
    say(f"name           {found_as or '-'}")
    say(f"digest         {digest}")
    say(f"type           {manifest.artifact_type or manifest.media_type}")
    say(f"manifest       {size_text(size)}")
    if manifest.subject is not None:
        say(f"parent         {manifest.subject.digest}")
    for key, value in sorted(manifest.annotations.items()):
        say(f"  {key} = {value}")
    rows = [
        (
            _label(part),
            part.media_type,
            size_text(part.size),
            _shown_digest(registry, part.digest),
        )
        for part in _parts(manifest)
    ]
    if rows:
        say()
        table(("PART", "MEDIA TYPE", "SIZE", "DIGEST"), rows)


def _parts(manifest: Manifest | Index) -> list[Descriptor]:
    return [part for part in manifest.children() if part is not manifest.subject]


def _label(part: Descriptor) -> str:
    from aexp.model.attachment import NAME, TITLE
    from aexp.model.session import RUN_ANNOTATION

    name = part.annotations.get(NAME) or part.annotations.get(TITLE) or "-"
    run = part.annotations.get(RUN_ANNOTATION)
    return name if run is None else f"{name} (run {run})"


def _manifest_json(
    registry: Registry, digest: str, name: str | None, manifest: Manifest | Index
) -> dict[str, Any]:
    parts = [{**part.to_json(), "present": registry.has(part.digest)} for part in _parts(manifest)]
    return {
        "name": name,
        "digest": digest,
        "size": registry.size(digest),
        "media_type": manifest.media_type,
        "artifact_type": manifest.artifact_type,
        "annotations": dict(manifest.annotations),
        "subject": None if manifest.subject is None else manifest.subject.digest,
        "parts": parts,
    }


def verify(
    names: Annotated[
        list[str] | None,
        Argument(help="Only what these names need; everything when left out."),
    ] = None,
    root: RegistryRoot = None,
    output: TextFormat = "text",
) -> None:
    """Read everything that is reachable, and compare it with its digests."""
    from aexp.registry.verify import verify as run_verify

    registry = open_at(root)
    with ByteProgress("verifying") as progress:
        report = run_verify(registry, names or None, reporter=progress.show)
    if output == "json":
        say_json(report.to_json())
    elif not report.exists:
        say(f"there is no registry at {registry.root}")
    else:
        say(
            f"{count(report.refs, 'ref')}, {count(report.blobs, 'blob')},"
            f" {size_text(report.size)} verified in {report.root}"
        )
        for problem in report.problems:
            note(f"{problem.digest}: {problem.what}")
            for ref in problem.refs:
                note(f"  needed by {ref}")
    if report.problems:
        raise CorruptDataError(
            f"{count(len(report.problems), 'blob')} missing or damaged",
            hint="pull or import the artifact again, or log the same content again",
        )


def export(
    name: _Name,
    target: Annotated[
        Path | None,
        Option("--output", "-o", metavar="FILE", help="The file; NAME.tar when left out."),
    ] = None,
    force: Annotated[bool, Option("--force", help="Replace a file that is there.")] = False,
    root: RegistryRoot = None,
    output: TextFormat = "text",
) -> None:
    """Write an artifact and everything it needs into one file, an OCI archive."""
    from aexp.registry.archive import export_artifact
    from aexp.registry.lookup import find_artifact
    from aexp.registry.refs import ARTIFACT

    registry = open_at(root)
    digest, found_as = find_artifact(registry, name)
    ref = None if found_as is None else registry.ref(found_as)
    called = found_as if ref is not None and ref.kind == ARTIFACT else None
    path = target or Path(_file_name(called or digest[7:19]))
    with ByteProgress("exporting") as progress:
        done = export_artifact(
            registry, digest, path, name=called, replace=force, progress=progress.add
        )
    if output == "json":
        say_json({**done.to_json(), "path": str(path)})
        return
    say(f"{path}: {count(done.blobs, 'blob')}, {size_text(done.size)}")


def _file_name(name: str) -> str:
    """Return a file name for an artifact's name, whatever it holds."""
    kept = "".join(char if char.isalnum() or char in "-_." else "-" for char in name)
    return f"{kept.strip('-.')[:100] or 'artifact'}.tar"


def import_(
    source: Annotated[Path, Argument(help="An OCI archive.", metavar="FILE")],
    name: Annotated[
        str | None, Option("--name", metavar="NAME", help="What to call the artifact.")
    ] = None,
    replace: Annotated[
        bool, Option("--replace", help="Let the name stand for this artifact from now on.")
    ] = False,
    root: RegistryRoot = None,
    output: TextFormat = "text",
) -> None:
    """Take artifacts from a file into the registry; every byte is verified."""
    from aexp.registry.archive import import_archive

    registry = open_at(root)
    with ByteProgress("importing") as progress:
        done = import_archive(registry, source, name=name, replace=replace, progress=progress.add)
    if output == "json":
        say_json([item.to_json() for item in done])
        return
    for item in done:
        amount = f"{count(item.blobs, 'blob')}, {size_text(item.size)}"
        say(f"{item.name}  {item.kind}  {item.digest[:_SHORT]}  {amount}")
