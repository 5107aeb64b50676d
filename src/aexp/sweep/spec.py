"""Reading a sweep's spec (SWP-16), from a YAML file or from Python data.

One rule for values everywhere: a YAML file is read by :mod:`aexp.yaml`, whose bare scalars follow
the rule of ``--sp``; Python data is taken as it is, with numpy's scalars unwrapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aexp.errors import SweepConfigError, UsageError
from aexp.model.canonical import Json, to_json
from aexp.model.duration import parse_duration
from aexp.model.ids import is_experiment_id
from aexp.model.parameters import flatten
from aexp.model.statepoint import prepare_statepoint
from aexp.model.sweep import (
    BACKENDS,
    REPEAT,
    RUN_PLACEHOLDERS,
    SweepSpec,
    blocks_of,
    names_of,
    placeholders,
)
from aexp.sweep.blocks import read_parameters
from aexp.sweep.source import Source, Where

KEYS: Final = SweepSpec.__struct_fields__[: -len(("folder",))]
"""What a spec may say."""


def load_spec(path: Path) -> SweepSpec:
    """Return the spec in a YAML file.

    Raises:
        SweepConfigError: the file is missing, is no YAML, or says something that is not
            understood, with its line.
    """
    from aexp import yaml  # ruamel takes longer to import than all of this

    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SweepConfigError(f"there is no file {path}", hint="give a sweep's spec") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SweepConfigError(f"{path} cannot be read: {error}") from None
    try:
        data, lines = yaml.load(text), yaml.key_lines(text)
    except yaml.YamlError as error:
        raise SweepConfigError(f"{path.name}, {error.message}") from None
    return _read(data, Source(path.name, path.absolute().parent, lines))


def spec_from(
    value: Mapping[str, object] | SweepSpec | str | Path, *, folder: Path | None = None
) -> SweepSpec:
    """Return a spec from any form of it: a file, what a file says, or a spec.

    Args:
        value: the form.
        folder: where the relative paths of a mapping start; the present folder when None.

    Raises:
        SweepConfigError: it says something that is not understood.
    """
    if isinstance(value, SweepSpec):
        return value
    if isinstance(value, str | Path):
        return load_spec(Path(value))
    source = Source("the sweep's spec", folder or Path.cwd(), {})
    try:
        data = to_json(value, where="spec")
    except UsageError as error:
        raise SweepConfigError(error.message, hint=error.hint) from None
    return _read(data, source)


def _read(data: Json, source: Source) -> SweepSpec:
    if not isinstance(data, dict):
        raise source.error((), "a sweep's spec is a mapping", hint="begin with `parameters:`")
    source.check_keys((), data, KEYS)
    if "parameters" not in data:
        raise source.error((), "there are no parameters", hint="say what varies: parameters: …")
    spec = SweepSpec(
        experiment=_experiment(data, source),
        script=_text(data, source, "script"),
        command=_text(data, source, "command"),
        callable=_callable(data, source),
        parameters=read_parameters(data["parameters"], source),
        fixed=_fixed(data, source),
        repeat=_repeat(data, source),
        watch=_watch(data, source),
        backend=_backend(data, source),
        outputs=_outputs(data, source),
        folder=str(source.folder),
    )
    if spec.command is not None and spec.callable is not None:
        raise source.error(("callable",), "a sweep has a command or a callable, not both")
    _check_names(spec, source)
    _check_placeholders(spec, source)
    return spec


def _text(data: dict[str, Json], source: Source, key: str) -> str | None:
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise source.error((key,), f"{key} is no text")
    return value


def _experiment(data: dict[str, Json], source: Source) -> str | None:
    value = _text(data, source, "experiment")
    if value is not None and not is_experiment_id(value):
        raise source.error(
            ("experiment",), f"{value!r} is no experiment id", hint="they are named like E001"
        )
    return value


def _callable(data: dict[str, Json], source: Source) -> str | None:
    value = _text(data, source, "callable")
    if value is None:
        return None
    module, colon, function = value.partition(":")
    names = [*module.split("."), *function.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise source.error(
            ("callable",), f"{value!r} names no function", hint="write module:function"
        )
    return value


def _fixed(data: dict[str, Json], source: Source) -> dict[str, Json]:
    value = data.get("fixed")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise source.error(("fixed",), "fixed is no mapping of parameters to values")
    try:
        return prepare_statepoint(value)
    except UsageError as error:
        raise source.error(("fixed",), error.message, hint=error.hint) from None


def _repeat(data: dict[str, Json], source: Source) -> int | None:
    value = data.get("repeat")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise source.error(("repeat",), "repeat is a whole number from 1")
    return value


def _watch(data: dict[str, Json], source: Source) -> tuple[str, ...]:
    value = data.get("watch") or []
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise source.error(("watch",), "watch is a list of files")
    return tuple(value)


def _backend(data: dict[str, Json], source: Source) -> dict[str, Json]:
    value = data.get("backend")
    if value is None:
        return {"kind": "local"}
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, dict):
        raise source.error(("backend",), "backend is a mapping", hint="write {kind: local}")
    backend = {"kind": "local", **value}
    kind = backend["kind"]
    if kind not in BACKENDS:
        raise source.error(
            ("backend", "kind"),
            f"there is no backend {kind!r}",
            hint=source.near(str(kind), BACKENDS) or f"use one of {', '.join(BACKENDS)}",
        )
    source.check_keys(("backend",), value, ("kind", *BACKENDS[kind]))
    workers = backend.get("workers", 1)
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise source.error(("backend", "workers"), "workers is a whole number from 1")
    if "timeout" in backend:
        try:
            parse_duration(backend["timeout"])
        except UsageError as error:
            raise source.error(("backend", "timeout"), error.message, hint=error.hint) from None
    return backend


def _outputs(data: dict[str, Json], source: Source) -> dict[str, str]:
    value = data.get("outputs") or {}
    if not isinstance(value, dict) or not all(isinstance(v, str) and v for v in value.values()):
        raise source.error(
            ("outputs",), "outputs is a mapping of names to files", hint="{table: results.csv}"
        )
    for name, file in value.items():
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise source.error(
                ("outputs", name),
                f"{file} leaves the folder of its point",
                hint="name a file relative to it",
            )
    return value


def _check_names(spec: SweepSpec, source: Source) -> None:
    """Check that no parameter is given in two places, or both as a value and as a mapping."""
    places: dict[str, str] = dict.fromkeys(flatten(spec.fixed), "fixed")
    if spec.repeat is not None:
        if REPEAT in places:
            raise source.error(("repeat",), "repeat is a fixed value as well")
        places[REPEAT] = "repeat"
    for number, block in enumerate(blocks_of(spec.parameters)):
        here = f"block {number + 1} of parameters"
        for name in names_of(block):
            for other, place in places.items():
                if _overlap(name, other):
                    where: Where = ("parameters",)
                    also = "" if name == other else f" (as {other})"
                    raise source.error(where, f"{name} is given in {place} as well{also}")
        places.update(dict.fromkeys(names_of(block), here))


def _overlap(first: str, second: str) -> bool:
    return first == second or first.startswith(f"{second}.") or second.startswith(f"{first}.")


def _check_placeholders(spec: SweepSpec, source: Source) -> None:
    """Check that a command names nothing that a point does not have (SWP-16)."""
    if spec.command is None:
        return
    known = {name for block in blocks_of(spec.parameters) for name in names_of(block)}
    known |= {*flatten(spec.fixed), *([REPEAT] if spec.repeat is not None else [])}
    for name in placeholders(spec.command):
        if name in RUN_PLACEHOLDERS or any(_overlap(name, other) for other in known):
            continue
        raise source.error(
            ("command",),
            f"the command names {{{name}}}, which no point has",
            hint=source.near(name, [*known, *RUN_PLACEHOLDERS])
            or f"points have {', '.join(sorted(known))}; write {{{{ and }}}} for braces",
        )
