"""Config folders: what they hold, and how Hydra comes to know of it (EXE-60).

A folder has Hydra's YAML files, or Python modules that store configs with hydra-zen, or both.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from aexp.errors import AexpError, NotFoundError, UsageError
from aexp.execution.multirun import GROUP, Multirun, parse_multirun
from aexp.execution.reporting import one_line
from aexp.recording.formats import require
from aexp.repo import Layout

DEFAULT_DIR: Final = "src/configs"
MAIN_CONFIG: Final = "aexp_model"
VERSION_BASE: Final = "1.3"
"""The Hydra whose manner is kept: it does not change the working directory."""
_LOOK: Final = "see `--info` and `--cfg job`"


@dataclass(frozen=True)
class ConfigInfo:
    """What a config folder offers.

    Attributes:
        folder: the folder.
        main: the name of the main config.
        has_main: whether there is one of this name.
        groups: the options of each group, without those of Hydra itself and the multiruns.
        multiruns: the named multiruns.
    """

    folder: Path
    main: str
    has_main: bool
    groups: Mapping[str, tuple[str, ...]]
    multiruns: tuple[Multirun, ...]


def create_model_config(
    *,
    workflow: str | None = None,
    datasets: str | None = None,
    assets: str | None = None,
    model_config: str | None = None,
    description: str = "",
    defaults: Sequence[Any] = (),
    **fields: Any,
) -> Any:
    """Return a main config, to be stored as ``aexp_model``; for modules of a config folder.

    Args:
        workflow: the option of the group ``workflow`` that is usual; None leaves it to the
            command line.
        datasets: of the group ``datasets``; None for no datasets.
        assets: of the group ``assets``; None for no assets.
        model_config: of the group ``model_config``: what builds the model function.
        description: of the executions, in Markdown.
        defaults: more of Hydra's defaults list.
        fields: more fields, for interpolation.

    Raises:
        MissingExtraError: hydra-zen is not installed.
    """
    zen = require("hydra_zen", "hydra", "a config folder in Python")
    groups = {
        "workflow": workflow,
        "datasets": datasets,
        "assets": assets,
        "model_config": model_config,
    }
    usual: dict[str, Any] = {"workflow": None, "datasets": [], "assets": [], "model_config": None}
    chosen = {name: option for name, option in groups.items() if option is not None}
    usual |= dict.fromkeys(chosen, zen.MISSING)
    listed = ["_self_", *({name: option} for name, option in chosen.items()), *defaults]
    members = {"description": description, "dry_run": False, **usual, **fields}
    return zen.make_config(hydra_defaults=listed, **members)


def config_folder(layout: Layout, folder: str | Path | None) -> Path:
    """Return the config folder: the one that is named, else ``src/configs``.

    Args:
        layout: the repository.
        folder: relative to the working directory.

    Raises:
        NotFoundError: there is none.
    """
    if folder is not None:
        named = Path(folder).absolute()
    else:
        places = [Path.cwd() / DEFAULT_DIR, layout.root / DEFAULT_DIR]
        named = next((place for place in places if place.is_dir()), places[-1])
    if not named.is_dir():
        raise NotFoundError(
            f"there is no config folder {layout.relative(named)}",
            hint="name one with --config-dir; docs/howto/run-configs.md shows how to begin one",
        )
    return named


def load_configs(layout: Layout, folder: Path) -> None:
    """Import the Python modules of a config folder, and give Hydra what they stored.

    The folder's parent and the working directory can be imported from, as with ``python -m``.

    Args:
        layout: the repository.
        folder: the config folder; its name is that of the package.

    Raises:
        UsageError: a module cannot be imported.
        MissingExtraError: Hydra is not installed.
    """
    require("hydra", "hydra", "`aexp exec`")
    for place in (str(Path.cwd()), str(folder.parent)):
        if place not in sys.path:
            sys.path.insert(0, place)
    if not any(folder.rglob("*.py")):
        return
    if not folder.name.isidentifier():
        raise UsageError(
            f"the config folder {layout.relative(folder)} has Python modules, but no name that"
            " Python can import",
            hint="rename it, such as to configs",
        )
    _forget_other(folder)
    importlib.invalidate_caches()
    for name in _modules(folder):
        try:
            importlib.import_module(name)
        except AexpError:
            raise
        except Exception as error:
            raise UsageError(
                f"the config module {name} cannot be loaded: {_of(error, folder, layout)}",
                hint="correct it; `--info` shows what there is",
            ) from error
    zen = sys.modules.get("hydra_zen")
    if zen is not None:
        zen.store.add_to_hydra_store(overwrite_ok=True)


def _modules(folder: Path) -> Iterator[str]:
    if (folder / "__init__.py").is_file():
        yield folder.name
    found = pkgutil.walk_packages([str(folder)], prefix=f"{folder.name}.", onerror=_ignore)
    yield from sorted(module.name for module in found)


def _ignore(name: str) -> None:
    """Leave a package that cannot be imported to the import that tells of it."""


def _forget_other(folder: Path) -> None:
    """Take back what was imported under this name from elsewhere."""
    known = sys.modules.get(folder.name)
    if known is None or _is_from(known, folder):
        return
    for name in [n for n in sys.modules if n == folder.name or n.startswith(f"{folder.name}.")]:
        del sys.modules[name]


def _is_from(module: ModuleType, folder: Path) -> bool:
    return any(Path(place) == folder for place in getattr(module, "__path__", ()))


def _of(error: Exception, folder: Path, layout: Layout) -> str:
    """Return an error with the line of the folder's where it came up."""
    text = f"{type(error).__name__}: {one_line(error)}"
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    if not inside:
        return text
    return f"{layout.relative(Path(inside[-1].filename))}, line {inside[-1].lineno}: {text}"


# --- asking Hydra ------------------------------------------------------------------------------


@contextmanager
def composing(folder: Path) -> Iterator[Any]:
    """Begin Hydra for a config folder that is loaded; the block gets Hydra itself.

    Raises:
        UsageError, NotFoundError: something in the block is not what Hydra needs.
    """
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    with told_plainly(), initialize_config_dir(str(folder), version_base=VERSION_BASE):
        yield GlobalHydra.instance().hydra


@contextmanager
def told_plainly() -> Iterator[None]:
    """Make one line and a hint of what Hydra complains of.

    Raises:
        NotFoundError: a config or an option does not exist.
        UsageError: anything else that Hydra or OmegaConf refused.
    """
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except AexpError:
        raise
    except MissingConfigException as error:
        raise _missing(error) from error
    except (HydraException, OmegaConfBaseException) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = error.__cause__
        first = lines[0] if lines else type(error).__name__
        if isinstance(cause, OmegaConfBaseException):
            first = f"{first.rstrip('.')}: {str(cause).splitlines()[0]}"
        hint = next((line for line in lines[1:] if line.startswith("To append")), None)
        raise UsageError(first, hint=hint or _LOOK) from error
    except (TypeError, ValueError) as error:
        if not _is_of_hydra(error):
            raise
        raise UsageError(one_line(error), hint=_LOOK) from error


def _is_of_hydra(error: Exception) -> bool:
    """Return whether Hydra or OmegaConf raised an error, whose own kinds it does not have."""
    import hydra
    import omegaconf

    raised = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    places = (Path(str(module.__file__)).parent for module in (hydra, omegaconf))
    return any(raised.is_relative_to(place) for place in places)


def _missing(error: Any) -> NotFoundError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    options = list(error.options or ())
    wanted = str(error.missing_cfg_file or "").rpartition("/")[2]
    near = get_close_matches(wanted, options, n=1, cutoff=0.6)
    if near:
        hint = f"did you mean {near[0]}?"
    elif options:
        hint = f"there is: {', '.join(options)}"
    else:
        hint = "`--info` shows what there is; --config-dir and --config-name choose another"
    return NotFoundError(lines[0].rstrip("."), hint=hint)


def read_multirun(folder: Path, name: str) -> Multirun:
    """Return a named multirun of a config folder that is loaded.

    Raises:
        NotFoundError: there is none of this name.
        UsageError: it is none.
    """
    with composing(folder) as hydra:
        return _multirun(hydra, name)


def _multirun(hydra: Any, name: str) -> Multirun:
    options = hydra.config_loader.get_group_options(GROUP)
    if name not in options:
        near = get_close_matches(name, options, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join(options) or 'none'}"
        raise NotFoundError(f"there is no multirun {name!r}", hint=hint)
    from omegaconf import OmegaConf

    found = hydra.config_loader.repository.load_config(f"{GROUP}/{name}")
    return parse_multirun(name, OmegaConf.to_container(found.config, resolve=False))


def config_info(folder: Path, main: str) -> ConfigInfo:
    """Return what a config folder that is loaded offers."""
    with composing(folder) as hydra:
        loader = hydra.config_loader
        groups = [name for name in hydra.list_all_config_groups() if _is_theirs(name)]
        return ConfigInfo(
            folder=folder,
            main=main,
            has_main=main in loader.get_group_options(""),
            groups={name: tuple(loader.get_group_options(name)) for name in sorted(groups)},
            multiruns=tuple(_shown(hydra, name) for name in loader.get_group_options(GROUP)),
        )


def _shown(hydra: Any, name: str) -> Multirun:
    """Return a multirun; of one that is none, what is wrong with it."""
    try:
        return _multirun(hydra, name)
    except UsageError as error:
        return Multirun(name, (), error.message)


def _is_theirs(group: str) -> bool:
    return group.split("/")[0] not in ("hydra", GROUP, "zen", "_dummy_empty_config_")
