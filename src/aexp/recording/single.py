"""Reading what any run recorded, whether or not it belongs to a session (SES-06, SHR-01)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aexp.errors import CorruptDataError, NotFoundError
from aexp.ledger.store import load_usable
from aexp.model.canonical import Json, decode_json
from aexp.model.oci import Manifest
from aexp.model.session import RUN_NUMBER, RunFacts
from aexp.recording.sealed import SealedRun
from aexp.registry import Registry, open_registry, run_ref
from aexp.repo import open_layout
from aexp.runs.lookup import resolve_run_id

NO_NUMBER = -1
"""The ``run_id`` of a run that belongs to no session."""


def load_run(run: str, *, repo_root: str | Path | None = None) -> SealedRun:
    """Return an ended run: its parameters, curves and attachments, as far as their bytes are here.

    Nothing is fetched; what is not here, `aexp pull` brings. Facts come from the run's artifact in
    the registry, in a clone without it from the ledger.

    Args:
        run: a run id or the beginning of one.
        repo_root: any folder of the repository; the working directory when None.

    Raises:
        NotFoundError, AmbiguousIdError: none, or several, match; or the run has not ended.
        CorruptDataError: its artifact is damaged.
    """
    layout = open_layout(repo_root)
    job_id = resolve_run_id(layout, run)
    registry = open_registry(layout)
    config = _sealed_config(registry, run_ref(layout, job_id))
    if config is None:
        config = load_usable(layout, job_id)
    if config is None:
        raise NotFoundError(
            f"nothing was sealed of run {job_id}, and the ledger does not have it",
            hint="it may be going on: see `aexp show-run`; `aexp recover` finds what was cut off",
        )
    number = config.get(RUN_NUMBER)
    return SealedRun(registry, RunFacts(number if isinstance(number, int) else NO_NUMBER, config))


def _sealed_config(registry: Registry, name: str) -> Mapping[str, Json] | None:
    """Return what was sealed of a run; None when its artifact is not here."""
    ref = registry.ref(name) if registry.exists() else None
    if ref is None:
        return None
    manifest = registry.manifest(ref.digest)
    config = (
        decode_json(registry.read(manifest.config.digest))
        if isinstance(manifest, Manifest)
        else None
    )
    if not isinstance(config, Mapping):
        raise CorruptDataError(f"{name} is no artifact of a run", hint="see `aexp registry verify`")
    return config
