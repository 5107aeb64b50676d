"""``aexp asset``: the files that executions have published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.opening import open_for_reading
from aexp.cli.options import TableFormat, TextFormat
from aexp.cli.output import count, note, say, say_json, size_text, table
from aexp.errors import NotFoundError, UsageError
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.data.assets import Asset, FoundAssets
    from aexp.registry.store import Registry

_Rid = Annotated[
    str, Argument(help="The id of an asset, or the beginning of one.", metavar="ASSET")
]
_Kind = Annotated[
    str | None, Option("--kind", metavar="NAME", help="Only of this kind, such as Model.")
]
_Type = Annotated[str | None, Option("--type", metavar="TYPE", help="Only of this asset type.")]
_Execution = Annotated[
    str | None, Option("--execution", metavar="RUN", help="Only those of this execution.")
]
_Remote = Annotated[
    str | None,
    Option(
        "--remote", "-r", metavar="NAME", help="A remote of aexp.yaml, or a URL; else the default."
    ),
]
_SHORT = 8


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    group = Group(
        "asset", "Assets: the files that executions have published, here and on other machines."
    )
    group.command("list")(list_assets)
    group.command("show")(show)
    group.command("download")(download)
    app.add(group)


def list_assets(
    kind: _Kind = None,
    asset_type: _Type = None,
    execution: _Execution = None,
    format: TableFormat = "table",
) -> None:
    """List the published assets that the ledger names, the newest last.

    Their bytes may be elsewhere: `aexp asset download` fetches them.
    """
    from aexp.data.assets import select
    from aexp.registry import open_registry

    layout = open_for_reading()
    registry = open_registry(layout)
    found = _find(execution)
    assets = select(found.assets, kind, asset_type)
    if format == "json":
        say_json([_as_json(asset, registry) for asset in assets])
    elif assets:
        rows = [
            (
                asset.rid, asset.asset, asset.name, size_text(asset.size),
                asset.execution[:_SHORT], "yes" if _is_here(asset, registry) else "no",
            )
            for asset in assets
        ]  # fmt: skip
        table(("ASSET", "KIND", "FILE", "SIZE", "EXECUTION", "HERE"), rows)
    elif not found.unlisted:
        say("no assets")
    _say_unlisted(found)


def show(asset: _Rid, format: TextFormat = "text") -> None:
    """Show what an asset is, which execution made it, and which have read it."""
    from aexp.data.assets import lookup_asset, used_by
    from aexp.registry import open_registry

    layout = open_for_reading()
    registry = open_registry(layout)
    found = lookup_asset(layout, asset)
    readers = used_by(layout, found.rid)
    if format == "json":
        say_json({**_as_json(found, registry), "used_by": readers})
        return
    say(f"asset      {found.rid}")
    say(f"file       {found.asset}/{found.name}")
    if found.description:
        say(f"about      {found.description}")
    say(f"types      {', '.join(found.asset_types) or '-'}")
    say(f"size       {size_text(found.size)}, {found.media_type}")
    say(f"digest     {found.digest}")
    say(f"md5        {found.md5}")
    say(f"execution  {found.execution}" + (f" on {found.machine}" if found.machine else ""))
    say(f"made       {found.made_at or '-'}")
    here = "yes" if _is_here(found, registry) else f"no; `aexp asset download {found.rid}`"
    say(f"here       {here}")
    for key, value in sorted(found.metadata.items()):
        say(f"  {key} = {value}")
    for execution in readers:
        say(f"read by    {execution}")


def download(
    assets: Annotated[
        list[str] | None,
        Argument(help="Ids of assets, or beginnings of some.", metavar="ASSET"),
    ] = None,
    execution: _Execution = None,
    kind: _Kind = None,
    asset_type: _Type = None,
    output: Annotated[
        Path, Option("--output", "-o", metavar="DIR", help="The folder to write to.")
    ] = Path(),
    remote: _Remote = None,
    format: TextFormat = "text",
) -> None:
    """Write assets to files, verified; what is not here comes from the remote.

    One asset becomes DIR/FILE; several become DIR/KIND/EXECUTION/FILE. A file that is there and
    holds something else is never replaced.
    """
    from aexp.cli.transfer import Reporter
    from aexp.data.assets import download as run_download
    from aexp.data.fetching import Supply

    layout = open_layout()
    chosen = _chosen(assets or [], execution, kind, asset_type)
    report = run_download(layout, chosen, output, Supply(remote, Reporter()))
    if format == "json":
        say_json(
            {
                "files": [
                    {"asset": asset.rid, "path": path.as_posix(), "digest": asset.digest}
                    for asset, path in zip(chosen, report.files, strict=True)
                ],
                "there": [path.as_posix() for path in report.there],
                "fetched": report.fetched,
            }
        )
        return
    for path in report.files:
        say(f"{path}{' (there already)' if path in report.there else ''}")
    came = f", {size_text(report.fetched)} fetched" if report.fetched else ""
    say(f"{count(len(report.files), 'file')} verified{came}")


def _chosen(
    rids: list[str], execution: str | None, kind: str | None, asset_type: str | None
) -> list[Asset]:
    from aexp.data.assets import lookup_asset, select

    layout = open_layout()
    if bool(rids) == bool(execution):
        raise UsageError(
            "name either assets or one execution", hint="see `aexp asset list` for their ids"
        )
    if rids:
        named = [lookup_asset(layout, rid) for rid in rids]
        return list({asset.rid: asset for asset in select(named, kind, asset_type)}.values())
    found = _find(execution)
    found.check_whole()
    chosen = select(found.assets, kind, asset_type)
    if not chosen:
        raise NotFoundError(
            f"execution {execution} has published no such asset",
            hint=f"see `aexp asset list --execution {execution}`",
        )
    return chosen


def _find(execution: str | None) -> FoundAssets:
    from aexp.data.assets import find_assets
    from aexp.registry import open_registry
    from aexp.runs.lookup import resolve_run_id

    layout = open_layout()
    only = None if execution is None else resolve_run_id(layout, execution)
    return find_assets(layout, open_registry(layout), only)


def _say_unlisted(found: FoundAssets) -> None:
    if found.unlisted:
        from aexp.data.feature_values import how_to_pull

        note(
            f"not listed: what {count(len(found.unlisted), 'execution')} published is a list that"
            f" is not here; {how_to_pull(found.unlisted)}"
        )


def _is_here(asset: Asset, registry: Registry) -> bool:
    return registry.size(asset.digest) == asset.size


def _as_json(asset: Asset, registry: Registry) -> dict[str, Any]:
    return {**asset.to_json(), "here": _is_here(asset, registry)}
