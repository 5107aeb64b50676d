"""The parameters of a notebook: which it has, and what they are set to (EXE-61)."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from aexp import yaml
from aexp.errors import CorruptDataError, NotFoundError, UsageError
from aexp.model.canonical import Json, decode_json
from aexp.model.values import parse_value

TAG: Final = "parameters"
"""The tag of the cell with a notebook's parameters, as papermill has it."""


@dataclass(frozen=True, slots=True)
class NotebookParameter:
    """A parameter that a notebook declares.

    Attributes:
        name: what it is called.
        default: its value, as the notebook writes it.
        help: the comment in its line, or an empty string.
    """

    name: str
    default: str
    help: str = ""


@dataclass(frozen=True)
class Notebook:
    """What is to be known of a notebook before it runs.

    Attributes:
        path: the file.
        language: such as ``python``.
        kernel: the name of the kernel that it was last saved with, or an empty string.
        parameters: what its parameters cell declares; None where there is no such cell, or none
            that can be read.
    """

    path: Path
    language: str
    kernel: str
    parameters: tuple[NotebookParameter, ...] | None

    def has_parameter(self, name: str) -> bool:
        """Return whether its parameters cell declares a name."""
        return any(known.name == name for known in self.parameters or ())


def read_notebook(path: Path) -> Notebook:
    """Return what is to be known of a notebook.

    Raises:
        NotFoundError: there is no such file.
        CorruptDataError: it is no notebook.
    """
    try:
        value = decode_json(path.read_bytes())
    except OSError as error:
        raise NotFoundError(
            f"the notebook {path} cannot be read: {error.strerror}", hint="give another path"
        ) from None
    except ValueError as error:
        raise CorruptDataError(f"{path} is no notebook: {error}", hint=_SAVE) from None
    if not isinstance(value, dict) or not isinstance(value.get("cells"), list):
        raise CorruptDataError(f"{path} is no notebook of version 4", hint=_SAVE)
    metadata = value.get("metadata")
    spec = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    about = metadata.get("language_info") if isinstance(metadata, dict) else None
    spec = spec if isinstance(spec, dict) else {}
    about = about if isinstance(about, dict) else {}
    language = str(spec.get("language") or about.get("name") or "python").lower()
    cell = next((cell for cell in value["cells"] if TAG in _tags(cell)), None)
    return Notebook(
        path,
        language,
        str(spec.get("name") or ""),
        None if cell is None or language != "python" else _declared(_source(cell)),
    )


_SAVE: Final = "open it in Jupyter, and save it again"


def _tags(cell: Any) -> Sequence[Any]:
    metadata = cell.get("metadata") if isinstance(cell, dict) else None
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else ()


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else str(source)


def _declared(source: str) -> tuple[NotebookParameter, ...] | None:
    """Return the names that a cell gives values to; None when it is no plain Python."""
    lines = source.splitlines()
    plain = ["" if line.lstrip().startswith(("%", "!")) else line for line in lines]
    try:
        body = ast.parse("\n".join(plain)).body
    except SyntaxError:
        return None
    found: dict[str, NotebookParameter] = {}
    for node in body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        about = plain[(node.end_lineno or node.lineno) - 1][node.end_col_offset or 0 :]
        comment = about.partition("#")[2].strip()
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = NotebookParameter(target.id, ast.unparse(value), comment)
    return tuple(found.values())


def read_parameter_file(path: Path) -> dict[str, Json]:
    """Return the parameters in a JSON or YAML file.

    Raises:
        NotFoundError: it cannot be read.
        UsageError: it holds no mapping of names to values.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise NotFoundError(
            f"the parameter file {path} cannot be read: {error.strerror}", hint="give another path"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"the parameter file {path} is no UTF-8 text") from None
    try:
        value = decode_json(text) if path.suffix == ".json" else yaml.load(text)
    except ValueError as error:
        raise UsageError(f"the parameter file {path}: {error}") from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UsageError(
            f"the parameter file {path} holds no mapping of names to values",
            hint="such as epochs: 5",
        )
    return value


def merged_parameters(
    notebook: Notebook,
    usual: Mapping[str, Json],
    file: Path | None,
    given: Sequence[tuple[str, str]],
) -> dict[str, Json]:
    """Return what a notebook's parameters are set to.

    What the command line says beats the file, and the file beats the configuration (trap 55). Of
    the configuration only what the notebook declares is taken.

    Args:
        notebook: the notebook.
        usual: the values of the configuration.
        file: a JSON or YAML file, or None.
        given: names and values of the command line; a value is JSON if it parses as JSON.

    Raises:
        NotFoundError: there is no such file.
        UsageError: a name is none, or none of the notebook's; the file is none.
        UnsafeValueError: a value is no number that can be recorded.
    """
    values = {name: value for name, value in usual.items() if notebook.has_parameter(name)}
    wanted = {} if file is None else read_parameter_file(file)
    wanted |= {name: parse_value(text) for name, text in given}
    for name in wanted:
        _check_name(notebook, name)
    return values | wanted


def _check_name(notebook: Notebook, name: str) -> None:
    if not name.isidentifier():
        raise UsageError(f"{name!r} is no name of a parameter", hint="write -p NAME VALUE")
    if notebook.parameters is None or notebook.has_parameter(name):
        return
    known = [parameter.name for parameter in notebook.parameters]
    near = get_close_matches(name, known, n=1)
    raise UsageError(
        f"the notebook has no parameter {name!r}",
        hint=f"did you mean {near[0]}?" if near else f"it has: {', '.join(known) or 'none'}",
    )
