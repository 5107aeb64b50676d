"""Which artifact a person means: a name, a digest, or the beginning of one."""

from __future__ import annotations

import re
from typing import Final

from aexp.errors import AmbiguousIdError, NotFoundError
from aexp.model.oci import is_digest
from aexp.registry.refs import ANONYMOUS, ARTIFACT, CHECKPOINT, RUN, Ref
from aexp.registry.store import Registry

_SHORT = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")
LISTED: Final = (ARTIFACT, ANONYMOUS)
"""The kinds that listings show; the others have commands of their own (SES-07)."""


def listed_refs(registry: Registry) -> list[Ref]:
    """Return the artifacts, named ones first."""
    return [ref for kind in LISTED for ref in registry.refs(kind=kind)]


def find_artifact(registry: Registry, text: str) -> tuple[str, str | None]:
    """Return the digest of the manifest that ``text`` means, and the name it was found under.

    Args:
        registry: where to look.
        text: a ref's name; a whole digest; six or more of the first hex digits of a digest, or of
            the id of a run.

    Raises:
        NotFoundError: there is no such artifact.
        AmbiguousIdError: several begin like this.
    """
    named = registry.ref(text)
    if named is not None:
        return named.digest, named.name
    short = _SHORT.fullmatch(text)
    if short is not None:
        refs = [ref for ref in registry.refs() if ref.kind != CHECKPOINT]
        found = {ref.digest: ref.name for ref in refs if _begins(ref, short[1], text)}
        if len(found) > 1:
            raise AmbiguousIdError(
                f"{text!r} is the beginning of {len(found)} digests or run ids",
                hint="give more digits",
            )
        if found:
            return next(iter(found.items()))
        if is_digest(text) and registry.has(text):
            return text, None
    raise NotFoundError(
        f"the registry {registry.root} holds no {text!r}"
        if registry.exists()
        else f"there is no registry at {registry.root}",
        hint="see `aexp registry ls` for what there is",
    )


def _begins(ref: Ref, digits: str, text: str) -> bool:
    """Return whether ``digits`` begin a ref's digest or the id of its run."""
    if ref.digest[7:].startswith(digits):
        return True
    is_run = ref.kind == RUN and not text.startswith("sha256:")
    return is_run and ref.name.rpartition("/")[2].startswith(digits)
