"""Records of planned sweeps: ``.aexp/ledger/sweeps/<sweep_id>.json`` (SWP-11).

A record holds all that another clone needs to go on with a sweep: the spec, the resolved seed, and
the points with their drawn values. It is written once, before the first point starts, and never
changes, so there is nothing to merge. Of a sweep of many points it names their digest alone: the
points are an artifact of the registry, and are derived again where that gives the same digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from aexp.errors import (
    AmbiguousIdError,
    CorruptDataError,
    NotFoundError,
)
from aexp.ledger.judge import LedgerProblem
from aexp.ledger.promote import roots_of
from aexp.ledger.records import SCHEMA_VERSION, open_record, read_all, read_one
from aexp.model.canonical import Json, canonical_bytes, decode_json
from aexp.model.entry import record_digest
from aexp.model.oci import is_digest
from aexp.model.sanitize import sanitize
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.storage.atomic import write_new
from aexp.tree import Tree, WorkTree

SWEEPS_DIR: Final = f"{LEDGER_DIR_REL}/sweeps"
KIND: Final = "sweep"
MOST_INLINE: Final = 10_000
"""A plan of more points names their digest instead of holding them (SWP-11)."""
POINTS_TYPE: Final = "application/vnd.aexp.points.v1+jsonl"
"""The media type of ``points.jsonl``."""

_ID = re.compile(r"[0-9a-f]{16}")
_FILE = re.compile(re.escape(SWEEPS_DIR) + r"/([0-9a-f]{16})\.json")


@dataclass(frozen=True)
class SweepPlan:
    """What the ledger says of a sweep.

    Attributes:
        sweep_id: 16 hex digits.
        experiment_id: such as ``E001``, or None.
        created_at: when it was planned.
        machine: the label of the machine that planned it.
        count: how many points there are.
        points_digest: of the points, as the header of ``points.jsonl`` has it.
        header: the first line of the manifest: spec, seed, digests of scripts, versions.
        points: the values by number, or None when there are more than fit a record.
        artifact: the digest of the artifact that holds ``points.jsonl``, or None.
        redacted: JSON pointers to what was left out because it belongs to one machine.
        raw: everything the file holds.
    """

    sweep_id: str
    experiment_id: str | None
    created_at: str
    machine: str
    count: int
    points_digest: str
    header: Mapping[str, Json]
    points: Sequence[Mapping[str, Json]] | None
    artifact: str | None
    redacted: tuple[str, ...]
    raw: Mapping[str, Json]

    @property
    def spec(self) -> Mapping[str, Json]:
        """The spec of the sweep."""
        found: Mapping[str, Json] = self.header["spec"]
        return found


def is_sweep_id(text: object) -> bool:
    """Return whether ``text`` is a sweep id: 16 lowercase hex digits."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def plan_path(layout: Layout, sweep_id: str) -> Path:
    """Return the file of the record of a sweep."""
    return layout.root / SWEEPS_DIR / f"{sweep_id}.json"


def artifact_name(sweep_id: str) -> str:
    """Return what the points of a large sweep are called in the registry."""
    return f"sweep-{sweep_id}"


def write_plan(layout: Layout, header: Mapping[str, Json], points_file: Path) -> Path:
    """Write the record of a sweep, sanitized, and return its file. Twice is no harm.

    To be called when ``points.jsonl`` is complete, before the first point starts.

    Args:
        layout: the repository; paths below it are written relative to it.
        header: the first line of the manifest as JSON, with ``sweep_id``, ``spec``, ``run_count``,
            ``points_digest`` and ``created_at``.
        points_file: the sweep's ``points.jsonl``.

    Raises:
        StorageError: the disk refused.
        CorruptDataError: there is a record of this id, and it is of another plan.
    """
    sweep_id = str(header["sweep_id"])
    value: dict[str, Json] = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "sweep_id": sweep_id,
        "experiment_id": header["spec"].get("experiment"),
        "created_at": header["created_at"],
        "registered_machine": layout.machine_label,
        "header": {key: item for key, item in header.items() if item is not None},
    }
    if header["run_count"] <= MOST_INLINE:
        value["points"] = list(_values_in(points_file))
    else:
        value["artifact"] = _keep_points(layout, sweep_id, points_file)
    path = plan_path(layout, sweep_id)
    if not write_new(path, _encoded(layout, value), tmp_dir=layout.tmp_dir):
        known = decode_plan(sweep_id, path.read_bytes())
        if known.points_digest != header["points_digest"]:
            raise CorruptDataError(f"{layout.relative(path)} is the plan of other points")
    return path


def _encoded(layout: Layout, value: Mapping[str, Json]) -> bytes:
    kept = {key: item for key, item in value.items() if item is not None}
    clean, redacted = sanitize(kept, roots=roots_of(layout))
    if redacted:
        clean["redacted"] = sorted(redacted)
    clean["record_digest"] = record_digest(clean)
    return canonical_bytes(clean)


def _values_in(points_file: Path) -> Iterator[Mapping[str, Json]]:
    with points_file.open("rb") as stream:
        next(stream, None)  # the header
        for line in stream:
            yield decode_json(line)["values"]


def _keep_points(layout: Layout, sweep_id: str, points_file: Path) -> str:
    """Keep ``points.jsonl`` in the registry, under a name, so that `aexp push` carries it."""
    from aexp.model.attachment import NAME
    from aexp.model.oci import EMPTY, EMPTY_CONFIG, Descriptor, Manifest
    from aexp.registry import SetRef, open_registry
    from aexp.registry.refs import ARTIFACT

    registry = open_registry(layout)
    registry.initialise()
    with registry.lease(f"sweep {sweep_id}"):
        blob = registry.put_file(points_file)
        config = registry.put(EMPTY_CONFIG)
        layer = Descriptor(POINTS_TYPE, blob.digest, blob.size, annotations={NAME: "points.jsonl"})
        manifest = registry.put_manifest(
            Manifest(
                config=Descriptor(EMPTY, config.digest, config.size),
                layers=(layer,),
                artifact_type=POINTS_TYPE,
            )
        )
        registry.publish(SetRef(artifact_name(sweep_id), ARTIFACT, manifest.digest))
    return manifest.digest


def decode_plan(sweep_id: str, data: bytes) -> SweepPlan:
    """Return the plan in ``data``, which must be that of ``sweep_id`` and unchanged.

    Raises:
        CorruptDataError: it is not.
        NewerSchemaError: a newer aexp wrote it.
    """
    value = open_record(data, kind=KIND, what="a sweep", key="sweep_id", named=sweep_id)
    return _parsed(value)


def _parsed(value: dict[str, Json]) -> SweepPlan:
    header, points, artifact = value.get("header"), value.get("points"), value.get("artifact")
    texts = [value.get(key) for key in ("created_at", "registered_machine")]
    experiment_id = value.get("experiment_id")
    if not (
        isinstance(header, dict)
        and isinstance(header.get("spec"), dict)
        and isinstance(count := header.get("run_count"), int)
        and isinstance(header.get("points_digest"), str)
        and all(isinstance(text, str) for text in texts)
        and isinstance(experiment_id, str | None)
        and (is_digest(artifact) if points is None else _are_points(points, count))
    ):
        raise CorruptDataError("it lacks what the record of a sweep must say")
    return SweepPlan(
        sweep_id=value["sweep_id"],
        experiment_id=experiment_id,
        created_at=value["created_at"],
        machine=value["registered_machine"],
        count=count,
        points_digest=header["points_digest"],
        header=header,
        points=points,
        artifact=artifact,
        redacted=tuple(map(str, value.get("redacted") or ())),
        raw=value,
    )


def _are_points(points: Json, count: int) -> bool:
    return (
        isinstance(points, list)
        and len(points) == count
        and all(isinstance(values, dict) for values in points)
    )


def read_plans(tree: Tree) -> tuple[list[SweepPlan], list[LedgerProblem]]:
    """Return the plans of a tree, oldest first, and what is wrong with the others."""
    paths = [path for path in tree.files(SWEEPS_DIR) if path.endswith(".json")]
    plans, problems = read_all(tree, paths, _FILE, "its name is no sweep id", decode_plan)
    plans.sort(key=lambda plan: (plan.created_at, plan.sweep_id))
    return plans, problems


def list_plans(layout: Layout) -> list[SweepPlan]:
    """Return the sound plans of the work tree, oldest first."""
    return read_plans(WorkTree(layout.root, has_git=layout.git_dir is not None))[0]


def plan_ids(layout: Layout) -> list[str]:
    """Return the ids of all sweeps that the work tree's ledger has a record of, sorted."""
    paths = WorkTree(layout.root, has_git=layout.git_dir is not None).files(SWEEPS_DIR)
    return [found[1] for path in paths if (found := _FILE.fullmatch(path)) is not None]


def resolve_sweep_id(text: str, known: Sequence[str]) -> str:
    """Return the one id among ``known`` that begins with ``text``.

    Raises:
        AmbiguousIdError: several do.
        NotFoundError: none does.
    """
    wanted = text.strip().lower()
    found = [sweep_id for sweep_id in sorted(set(known)) if sweep_id.startswith(wanted)]
    if wanted in found or (wanted and len(found) == 1):
        return wanted if wanted in found else found[0]
    if wanted and found:
        raise AmbiguousIdError(
            f"{text} is the beginning of {len(found)} sweep ids: {', '.join(found[:5])}",
            hint="give more digits",
        )
    raise NotFoundError(
        f"there is no sweep {text}",
        hint="see `aexp sweep list`; `aexp sync` fetches those of other machines",
    )


def read_plan(layout: Layout, sweep_id: str) -> SweepPlan:
    """Return the plan of a sweep.

    Raises:
        NotFoundError: the ledger has no record of it.
        CorruptDataError: the record is damaged.
    """
    path = plan_path(layout, sweep_id)
    try:
        return read_one(layout, path, partial(decode_plan, sweep_id))
    except FileNotFoundError:
        raise NotFoundError(
            f"the ledger has no plan of sweep {sweep_id}",
            hint="run `aexp sync` to fetch it; see `aexp sweep list`",
        ) from None
