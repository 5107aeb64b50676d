"""What people add to a run later: tags, a note, pointers to another tracker (LED-08, LED-14).

The run's document is changed under its lock, while the run is going on too; the entry of an ended
run follows. What changes nothing writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aexp.errors import UnsafeValueError, UsageError
from aexp.ledger.promote import Promotion, roots_of
from aexp.ledger.retract import refuse_retracted
from aexp.model.canonical import Json
from aexp.model.project import note_of, tags_of
from aexp.model.sanitize import find_absolute_paths, find_secrets
from aexp.repo import Layout
from aexp.runs.amend import amend

MAX_TAG: Final = 64
"""Characters of one tag."""
MAX_TAGS: Final = 64
"""Tags of one run."""
MAX_NOTE: Final = 4096
"""Bytes of a note; with tags and the rest, an entry stays under 64 KiB (LED-01)."""
MAX_POINTER: Final = 2048
"""Characters of one part of a tracker's pointers."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_IN_NOTE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Annotated:
    """A run after it was annotated.

    Attributes:
        job_id: the run.
        document: its document now.
        changed: whether the document was changed.
        promotion: what became of the ledger entry; None when the run has not ended, or when the
            promotion failed, which is said on standard error and remembered (RUN-04).
        hidden: what the ledger will not show as it was given: it holds a path of this machine,
            or a URL with credentials.
    """

    job_id: str
    document: Mapping[str, Json]
    changed: bool
    promotion: Promotion | None
    hidden: tuple[str, ...] = ()

    @property
    def tags(self) -> list[str]:
        """The run's tags, sorted."""
        return tags_of(self.document)

    @property
    def note(self) -> str:
        """The run's note, or an empty string."""
        return note_of(self.document)


def change_tags(
    layout: Layout, job_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> Annotated:
    """Add tags to a run and remove others (LED-14). A tag that is there already stays.

    Args:
        layout: the repository.
        job_id: the run.
        add: tags to add: one line each, at most :data:`MAX_TAG` characters.
        remove: tags to remove; one the run does not have is no error.

    Raises:
        UsageError: a tag is malformed, in both lists, or one too many; nothing was changed.
        UnsafeValueError: a tag looks like a secret; nothing was changed.
        NotFoundError, CorruptDataError, StorageError: as :meth:`RunStore.update`.
    """
    wanted, unwanted = {check_tag(tag) for tag in add}, {tag.strip() for tag in remove}
    if both := sorted(wanted & unwanted):
        raise UsageError(f"the tag {both[0]!r} is to be added and to be removed")
    _refuse_secrets({"tags": sorted(wanted)}, "a tag")

    def change(document: dict[str, Json]) -> dict[str, Json] | None:
        before = tags_of(document)
        after = sorted({*before, *wanted} - unwanted)
        if after == before:
            return None
        if len(after) > MAX_TAGS:
            raise UsageError(f"run {job_id} would have {len(after)} tags; at most {MAX_TAGS}")
        return _with(document, "tags", after)

    return _apply(layout, job_id, change, {"tags": sorted(wanted)})


def set_note(layout: Layout, job_id: str, text: str, *, append: bool = False) -> Annotated:
    """Set the note of a run (LED-14). An empty text removes it.

    Args:
        layout: the repository.
        job_id: the run.
        text: at most :data:`MAX_NOTE` bytes of UTF-8; it may have several lines.
        append: add ``text`` below what is there.

    Raises:
        UsageError: the note is too long, or no plain text; nothing was changed.
        UnsafeValueError: it looks like it holds a secret; nothing was changed.
        NotFoundError, CorruptDataError, StorageError: as :meth:`RunStore.update`.
    """
    given = _check_note(text)
    _refuse_secrets({"note": given}, "the note")

    def change(document: dict[str, Json]) -> dict[str, Json] | None:
        before = note_of(document)
        after = "\n".join(part for part in (before, given) if part) if append else given
        size = len(after.encode())
        if size > MAX_NOTE:
            raise UsageError(
                f"the note would have {size} bytes; at most {MAX_NOTE}",
                hint="longer texts belong into a file of the repository, or into the finding",
            )
        return None if after == before else _with(document, "note", after)

    return _apply(layout, job_id, change, {"note": given})


def bind_run(
    layout: Layout,
    job_id: str,
    *,
    backend: str,
    run_id: str,
    url: str | None = None,
    project: str | None = None,
    group: str | None = None,
) -> Annotated:
    """Store where another tracker keeps the same run (LED-08); an ended run is promoted again.

    Binding to the same run of the same tracker again adds to what is known of it; binding to
    another one replaces it.

    Args:
        layout: the repository.
        job_id: the run.
        backend: the tracker, such as ``wandb`` or ``mlflow``.
        run_id: the run's id there.
        url: its page. Credentials in it stay on this machine: the ledger shows it without them.
        project: the project there.
        group: the group there.

    Raises:
        UsageError: a value is empty, too long or of several lines; nothing was changed.
        UnsafeValueError: a value other than the URL looks like a secret; nothing was changed.
        NotFoundError, CorruptDataError, StorageError: as :meth:`RunStore.update`.
    """
    given = {"backend": backend, "run_id": run_id, "url": url, "project": project, "group": group}
    pointers = {name: _check_line(name, text) for name, text in given.items() if text is not None}
    _refuse_secrets({k: v for k, v in pointers.items() if k != "url"}, "a pointer")

    def change(document: dict[str, Json]) -> dict[str, Json] | None:
        before = document.get("tracker")
        known = dict(before) if isinstance(before, Mapping) else {}
        same = all(known.get(name) == pointers[name] for name in ("backend", "run_id"))
        after = {**(known if same else {}), **pointers}
        return None if after == before else {**document, "tracker": after}

    return _apply(layout, job_id, change, pointers)


def bind_tracker(
    job: Any,
    *,
    backend: str,
    run_id: str,
    url: str | None = None,
    project: str | None = None,
    group: str | None = None,
) -> None:
    """Store where another tracker keeps the same run; see :func:`bind_run`.

    Args:
        job: the run, as :func:`aexp.create_run` returns it.
        backend: the tracker, such as ``wandb`` or ``mlflow``.
        run_id: the run's id there.
        url: its page.
        project: the project there.
        group: the group there.
    """
    from aexp.workspace.locate import locate

    store, job_id = locate(job)
    bind_run(
        store.layout, job_id, backend=backend, run_id=run_id, url=url, project=project, group=group
    )


def check_tag(text: str) -> str:
    """Return ``text`` without surrounding blanks when it can be a tag.

    Raises:
        UsageError: it is empty, too long, or of several lines.
    """
    tag = text.strip()
    hint = f"a tag is one line of 1 to {MAX_TAG} characters, such as: baseline"
    if not tag:
        raise UsageError("a tag is empty", hint=hint)
    if len(tag) > MAX_TAG:
        raise UsageError(f"the tag {tag[:16]!r}… has {len(tag)} characters", hint=hint)
    return _plain(tag, "the tag", _CONTROL, hint)


def check_tags(tags: Sequence[str]) -> list[str]:
    """Return tags as a new run may have them: sorted, each once.

    Raises:
        UsageError: one is malformed, or there are too many.
        UnsafeValueError: one looks like a secret.
    """
    wanted = sorted({check_tag(tag) for tag in tags})
    if len(wanted) > MAX_TAGS:
        raise UsageError(f"a run can have at most {MAX_TAGS} tags, not {len(wanted)}")
    _refuse_secrets({"tags": wanted}, "a tag")
    return wanted


def _check_note(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return _plain(lines, "the note", _CONTROL_IN_NOTE, "a note is plain text")


def _check_line(name: str, text: str) -> str:
    line = text.strip()
    hint = f"give one line of 1 to {MAX_POINTER} characters"
    if not line or len(line) > MAX_POINTER:
        raise UsageError(f"the {name} is {'too long' if line else 'empty'}", hint=hint)
    return _plain(line, f"the {name}", _CONTROL, hint)


def _plain(text: str, what: str, control: re.Pattern[str], hint: str) -> str:
    if control.search(text):
        raise UsageError(f"{what} holds a line break or a control character", hint=hint)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is no valid Unicode text", hint=hint) from None
    return text


def _refuse_secrets(values: Mapping[str, Json], what: str) -> None:
    if find_secrets(dict(values)):
        raise UnsafeValueError(
            f"{what} looks like it holds a secret, and the ledger is shared",
            hint="leave the secret out; nothing was changed",
        )


def _with(document: dict[str, Json], name: str, value: Json) -> dict[str, Json]:
    """Return the document with ``value``, or without the key when the value is empty."""
    rest = {key: item for key, item in document.items() if key != name}
    return {**rest, name: value} if value else rest


def _apply(
    layout: Layout,
    job_id: str,
    change: Callable[[dict[str, Json]], dict[str, Json] | None],
    given: Mapping[str, Json],
) -> Annotated:
    refuse_retracted(layout, job_id)
    done = amend(layout, job_id, change)
    hidden = _hidden(layout, given)
    return Annotated(job_id, done.record.document, done.changed, done.promotion, hidden)


def _hidden(layout: Layout, given: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the names in ``given`` whose values the ledger will not show as they are."""
    values = dict(given)
    pointers = find_absolute_paths(values, roots=roots_of(layout))
    pointers += [finding.pointer for finding in find_secrets(values)]
    return tuple(sorted({pointer.split("/")[1] for pointer in pointers}))
