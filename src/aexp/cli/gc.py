"""``aexp registry gc``, ``prune`` and ``prune-anonymous``: what can go, and why the rest stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.options import RegistryRoot, TextFormat
from aexp.cli.output import count, say, say_json, size_text
from aexp.errors import CorruptDataError, NotARepositoryError, StorageError

if TYPE_CHECKING:
    from aexp.registry.report import Blobs, GcReport, PruneReport
    from aexp.retention.explain import Explanation

WIDTH = 20
_NAMED = 20
"""How many reasons get a line of their own."""

_LABELS = {
    "reachable_blobs": "Reachable blobs",
    "cited_blobs": "Kept by citations",
    "orphan_candidates": "Orphan candidates",
    "deferred_blobs": "Deferred blobs",
    "leftovers": "Temporary files",
    "deleted_blobs": "Deleted blobs",
    "deleted_leftovers": "Deleted files",
    "skipped_blobs": "Skipped blobs",
    "missing_blobs": "Missing blobs",
    "invalid_manifests": "Invalid manifests",
}
_APPLIED = ("deleted_blobs", "deleted_leftovers", "skipped_blobs")
_UNLISTED = ("reachable_blobs", "cited_blobs")
"""As many as there are; whoever asks for digests looks for something that is wrong or can go."""
_IF_ANY = ("cited_blobs", "leftovers", "deleted_leftovers", "skipped_blobs")

Delete = Annotated[bool, Option("--delete", help="Do it; without it nothing is changed.")]


def register(group: Group) -> None:
    """Add these commands to the group ``aexp registry``."""
    group.command("gc")(gc)
    group.command("prune")(prune)
    group.command("prune-anonymous")(prune_anonymous)


def gc(
    delete: Delete = False,
    grace_period: Annotated[
        str,
        Option(
            "--grace-period",
            metavar="TIME",
            help="How old an unreachable blob must be: 90s, 30m, 24h, 7d.",
        ),
    ] = "24h",
    show_digests: Annotated[bool, Option("--show-digests", help="List the digests, too.")] = False,
    explain: Annotated[
        str | None,
        Option("--explain", metavar="DIGEST", help="Say what keeps one blob, and change nothing."),
    ] = None,
    root: RegistryRoot = None,
    format: TextFormat = "text",
) -> None:
    """Report the bytes that nothing needs any more; with --delete, delete them.

    What a ref reaches, a finding cites or a live process writes always stays.
    """
    if explain is not None:
        _explain(explain, root, grace_period, format)
        return
    from aexp.retention.cleaning import gc as collect

    report = collect(delete, root, grace_period)
    if format == "json":
        say_json(report.to_json(with_digests=show_digests))
    else:
        _say_report(report, show_digests)
    if report.failure is not None:
        raise StorageError(
            f"deleting stopped early: {report.failure}", hint="what is left is for the next time"
        )
    if not report.is_sound:
        raise CorruptDataError(_damage(report), hint=_MEND)


_MEND = (
    "`aexp registry verify` says what needs it; get it with `aexp pull`, or give that up with"
    " `aexp registry prune NAME --delete`"
)


def _damage(report: GcReport) -> str:
    what = []
    if report.missing_blobs.count:
        what.append(f"{count(report.missing_blobs.count, 'blob')} missing")
    if report.invalid_manifests.count:
        what.append(f"{count(report.invalid_manifests.count, 'manifest')} not readable")
    said = " and ".join(what)
    return f"{said}, so nothing may be deleted" if not report.is_complete else said


def _say_report(report: GcReport, show_digests: bool) -> None:
    from aexp.model.duration import format_duration

    _line("Registry", _shown(report.root))
    if not report.exists:
        _line("", "there is no registry here, and none was made")
        return
    _line("Grace period", format_duration(report.grace_period))
    others = f", {report.other_refs:,} of other repositories" if report.other_refs else ""
    _line("Roots", f"{report.roots.count:>9,}  {_noun(report.roots.count, 'ref')}{others}")
    if report.live_leases:
        _line("Recording now", f"{report.live_leases:>9,}  {_noun(report.live_leases, 'lease')}")
    for name, label in _LABELS.items():
        blobs: Blobs = getattr(report, name)
        if name in _APPLIED and not report.delete_applied:
            continue
        if name in _IF_ANY and not blobs.count:
            continue
        _line(label, f"{blobs.count:>9,}  {size_text(blobs.size)}")
        if show_digests and name not in _UNLISTED:
            for digest in blobs.digests:
                reason = report.reasons.get(digest) if name == "invalid_manifests" else None
                say(f"  {digest}" + (f"  {reason}" if reason else ""))
    say()
    if report.delete_applied:
        freed = report.deleted_blobs.size + report.deleted_leftovers.size
        _line("Deleted", f"{size_text(freed)} freed")
    else:
        _line("Dry Run", "nothing was changed; pass --delete to apply")


def _explain(digest: str, root: str | None, grace_period: str, format: str) -> None:
    from aexp.retention.explain import explain

    found = explain(digest, root, grace_period)
    if format == "json":
        say_json(found.to_json())
    else:
        _say_explanation(found)


_STATES = {
    "kept": "kept",
    "deferred": "reached by nothing, but not to be deleted yet",
    "candidate": "kept by nothing: gc --delete would delete it",
    "absent": "not in this registry",
}
_WHO = {
    "ref": "ref",
    "finding": "finding",
    "lease": "process",
    "age": "age",
    "manifest": "manifest",
}


def _say_explanation(found: Explanation) -> None:
    say(found.digest)
    size = "" if found.size is None else f", {size_text(found.size)}"
    say(f"  {_STATES[found.state]}{size}")
    if found.names:
        say(f"  attached as {', '.join(map(repr, found.names[:_NAMED]))}")
    for keeper in found.keepers[:_NAMED]:
        detail = f"  {keeper.detail}" if keeper.detail else ""
        say(f"  {_WHO[keeper.kind]:<8} {keeper.name}{detail}")
        if keeper.via:
            say(f"  {'':<8}   through {' > '.join(one[:19] for one in keeper.via)}")
    if len(found.keepers) > _NAMED:
        say(f"  and {len(found.keepers) - _NAMED} more; --format json lists all")


def prune_anonymous(
    delete: Delete = False, root: RegistryRoot = None, format: TextFormat = "text"
) -> None:
    """Remove the refs of sessions and imports without a name; gc then takes their bytes."""
    from aexp.retention.cleaning import prune_anonymous as run

    _show_pruned(run(delete, root), format)


def prune(
    names: Annotated[
        list[str],
        Argument(help="Names of artifacts, or the beginnings of run ids.", metavar="NAME"),
    ],
    delete: Delete = False,
    root: RegistryRoot = None,
    format: TextFormat = "text",
) -> None:
    """Remove the refs of artifacts or runs, so that gc takes their bytes; never what is cited."""
    from aexp.retention.cleaning import prune as run

    _show_pruned(run(names, delete, root), format)


def _show_pruned(report: PruneReport, format: str) -> None:
    if format == "json":
        say_json(report.to_json())
        return
    _line("Registry", _shown(report.root))
    if not report.exists:
        _line("", "there is no registry here, and none was made")
        return
    _line("Removed refs" if report.delete_applied else "Refs to remove", f"{len(report.refs):>9,}")
    for ref in report.refs:
        say(f"  {ref.name}  {ref.digest[:19]}")
    if report.kept:
        _line("Cited, so kept", f"{len(report.kept):>9,}")
        for ref in report.kept:
            say(f"  {ref.name}  {ref.digest[:19]}  cited by {', '.join(ref.kept_by[:3])}")
    say()
    if report.delete_applied:
        _line("Done", "no blob was deleted; see `aexp registry gc`")
    else:
        _line("Dry Run", "nothing was changed; pass --delete to apply")


def _noun(number: int, one: str) -> str:
    return one if number == 1 else f"{one}s"


def _line(label: str, value: str) -> None:
    say(f"{label:<{WIDTH}} {value}")


def _shown(root: Path) -> str:
    from aexp.repo import open_layout

    try:
        return open_layout().relative(root)
    except NotARepositoryError:
        return str(root)
