"""What ``.aexp/installed.json`` says: this machine's own, ignored by git (INS-05)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aexp
from aexp.clock import utc_now
from aexp.errors import UsageError
from aexp.repo import DEFAULT_RUN_STORE, check_machine_label, default_machine_label

_DROPPED = ("python_exe", "conda_env_name", "scaffold_sha")
"""Keys of 0.6.x that name an interpreter or files of that version: wrong as soon as copied."""


def marker_content(
    before: Mapping[str, Any],
    *,
    machine_label: str | None,
    run_store: str | None,
    registry_root: str | None = None,
) -> dict[str, Any]:
    """Return the marker's new content.

    What an earlier installation chose stays unless an option says otherwise, and so do keys
    that other versions wrote, but for those that break when the file is copied.

    Args:
        before: the present content; empty when there is none.
        machine_label: a new label (checked), or None.
        run_store: a new run store as it is to be written, or None.
        registry_root: a new place of the registry, empty for the usual one, or None.

    Raises:
        UsageError: ``machine_label`` is no legal label.
    """
    label = check_machine_label(machine_label) if machine_label is not None else _kept_label(before)
    after = {key: value for key, value in before.items() if key not in _DROPPED}
    after["version"] = aexp.__version__
    after["machine_label"] = label
    after["run_store_path"] = run_store or str(before.get("run_store_path") or DEFAULT_RUN_STORE)
    if registry_root is not None:
        after["registry_root"] = registry_root
    if not after.get("registry_root"):
        after.pop("registry_root", None)
    if not isinstance(after.get("installed_at"), str):
        after["installed_at"] = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
    return after


def _kept_label(before: Mapping[str, Any]) -> str:
    label = before.get("machine_label")
    if isinstance(label, str):
        try:
            return check_machine_label(label)
        except UsageError:
            return default_machine_label()
    return default_machine_label()
