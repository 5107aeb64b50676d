"""What an execution declares that it reads: datasets and assets (EXE-05)."""

from __future__ import annotations

from typing import Annotated, Any

from aexp.errors import MissingExtraError

try:
    from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
except ImportError:
    raise MissingExtraError(
        "declaring inputs needs pydantic", hint="pip install 'aexp[execution]'"
    ) from None


def _text(value: object) -> object:
    """Give pydantic the bare text of what is a kind of text."""
    return str.__str__(value) if isinstance(value, str) else value


Rid = Annotated[str, BeforeValidator(_text), Field(min_length=1)]


class DatasetSpec(BaseModel):
    """A dataset that an execution reads.

    Attributes:
        rid: the dataset's name.
        version: such as ``2.1.0``; None for the current one, which is looked up when the
            execution is created.
        materialize: download the files; False gives the list of them alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rid: Rid
    version: str | None = None
    materialize: bool = True


class AssetSpec(BaseModel):
    """A published asset that an execution reads.

    A bare text stands for an asset of that id; it is never taken for a path (EXE-04).

    Attributes:
        rid: the asset's id.
        cache: share one verified copy between executions (EXE-07).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rid: Rid
    cache: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"rid": _text(value)} if isinstance(value, str) else value
