"""Bringing what is staged up to date with what the document says is published.

A kill may fall between the document, by which outputs are published, and the marks of what is
staged. The document is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from aexp.errors import UsageError
from aexp.execution.state import StagedAsset, StagedFeature, State
from aexp.model.canonical import Json
from aexp.model.outputs import OUTPUTS, AssetOutput, FeatureOutput, Output, outputs_in


def settle(state: State, document: Mapping[str, Json]) -> None:
    """Mark as published what the document lists.

    Args:
        state: what is staged.
        document: the run's.

    Raises:
        UsageError: a published asset was registered again as another file before it was marked.
    """
    listed = outputs_in(document.get(OUTPUTS))
    if not listed:
        return
    assets = state.assets("pending", "stored", "uploaded")
    if done := _published_assets(assets, listed):
        state.mark(done, "published")
    for digest, ids in _published_features(state.features(), listed):
        state.mark_features(ids, "published", digest)


def _published_assets(rows: Sequence[StagedAsset], listed: Sequence[Output]) -> list[str]:
    known = {output.rid: output.digest for output in listed if isinstance(output, AssetOutput)}
    found = [row for row in rows if row.rid in known]
    for row in found:
        if row.digest != known[row.rid]:
            raise UsageError(
                f"{row.label} is published already, as another file than what is staged now",
                hint="register the new file under another name: rename_file=…",
            )
    return [row.rid for row in found]


def _published_features(
    rows: Sequence[StagedFeature], listed: Sequence[Output]
) -> list[tuple[str, list[int]]]:
    """Return by digest the ids of rows that were published, and not marked so.

    Equal values that were staged twice have one digest: how many the document counts tells.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    for output in listed:
        if isinstance(output, FeatureOutput):
            counts[output.target, output.feature, output.digest] += output.count
    waiting: dict[tuple[str, str, str], list[int]] = {}
    for row in rows:
        if row.digest is None:
            continue
        key = (row.target, row.feature, row.digest)
        if row.state == "published":
            counts[key] -= 1
        else:
            waiting.setdefault(key, []).append(row.id)
    return [(key[2], ids) for key, ids in waiting.items() if counts[key] >= len(ids)]
