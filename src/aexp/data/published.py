"""Which published assets a person means, by the ids of assets and executions (EXE-05)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aexp.data.assets import Asset, find_assets
from aexp.data.feature_values import how_to_pull
from aexp.errors import AmbiguousIdError, NotFoundError
from aexp.registry.store import Registry
from aexp.repo import Layout
from aexp.runs.lookup import resolve_run_id

_SHORTEST: Final = 6
"""So many digits of an id are enough, where no other begins like that."""
_SHOWN: Final = 3


def assets_of(layout: Layout, registry: Registry, execution: str) -> list[Asset]:
    """Return the assets that one execution has published.

    Args:
        layout: the repository.
        registry: where a list may be that an entry had no room for.
        execution: its id, or the beginning of it.

    Raises:
        NotFoundError: there is no such execution, it has published no asset that an entry of the
            ledger names, or the list of what it has published is not here.
        UsageError, AmbiguousIdError: the id is none, or the beginning of several.
    """
    job_id = resolve_run_id(layout, execution)
    found = find_assets(layout, registry, job_id)
    found.check_whole()
    if not found.assets:
        raise NotFoundError(
            f"run {job_id} has published no assets",
            hint="publish them with `upload_execution_outputs()`; see `aexp asset list`",
        )
    return found.assets


def assets_by_id(layout: Layout, registry: Registry, rids: Iterable[str]) -> list[Asset]:
    """Return published assets by their ids, in their order.

    Args:
        layout: the repository.
        registry: where lists may be that an entry had no room for.
        rids: ids, or the first digits of some.

    Raises:
        NotFoundError: the ledger names no asset of one of the ids.
        AmbiguousIdError: several begin like one of them.
    """
    wanted = list(rids)
    if not wanted:
        return []
    found = find_assets(layout, registry)
    known = {asset.rid: asset for asset in found.assets}
    return [_resolve(rid, known, found.unlisted) for rid in wanted]


def _resolve(rid: str, known: dict[str, Asset], unlisted: Sequence[str]) -> Asset:
    if rid in known:
        return known[rid]
    short = rid.strip().lower()
    begin = [each for each in known if len(short) >= _SHORTEST and each.startswith(short)]
    if len(begin) > 1:
        raise AmbiguousIdError(
            f"{rid} is the beginning of {len(begin)} ids of assets: {', '.join(begin[:_SHOWN])}",
            hint="give more digits",
        )
    if begin:
        return known[begin[0]]
    hint = "see `aexp asset list`; `aexp sync` fetches what others have published"
    if unlisted:
        hint = f"the lists of some executions are not here: {how_to_pull(unlisted)}"
    raise NotFoundError(f"the ledger names no asset {rid!r}", hint=hint)
