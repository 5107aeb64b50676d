"""``aexp exec``: a model function, configured by Hydra, as an execution (EXE-60)."""

from __future__ import annotations

import contextlib
import logging
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aexp import settings
from aexp.errors import AexpError, ExecutionFailedError, PartialFailureError
from aexp.execution.hydra_configs import (
    VERSION_BASE,
    load_configs,
    read_multirun,
    told_plainly,
)
from aexp.execution.hydra_plan import JobPlan, dry_run, plan_job, takes_execution
from aexp.execution.kinds import ExecMetadataType, MLAsset
from aexp.execution.multirun import GROUP, expand_multirun
from aexp.execution.reporting import Done, Reporter, failed
from aexp.execution.repository import Repository
from aexp.model.credentials import redact_secrets
from aexp.repo import Layout
from aexp.storage.atomic import make_folder

if TYPE_CHECKING:
    from aexp.execution.execution import Execution

log = logging.getLogger("aexp.exec")

_OUTPUT_OPTION: Final = "aexp"
_HAVE_VALUE: Final = ("--cfg", "--package", "-p", "--config-path", "-cp", "--experimental-rerun")
_MAY_HAVE_VALUE: Final = ("-i",)
_SHOWS: Final = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
"""Flags of Hydra's with a value, and what its ``--info`` can show, which is ``-i`` here."""


def run_configured(
    layout: Layout,
    arguments: Sequence[str],
    *,
    folder: Path,
    config_name: str,
    multirun: bool = False,
    reporter: Reporter,
) -> list[Done]:
    """Run the model function of a config folder, once or for each point of a sweep.

    Args:
        layout: the repository.
        arguments: Hydra's flags and overrides, as on its own command line.
        folder: the config folder.
        config_name: the main config.
        multirun: sweep, as `--multirun` does; a named multirun does so too.
        reporter: is told of each execution.

    Returns:
        The executions, in order; none after a dry run, or where Hydra only showed something.

    Raises:
        ExecutionFailedError: the model function raised; what it staged is kept.
        PartialFailureError: some of several executions failed.
        UsageError, NotFoundError: the configuration, an override or an input is not usable.
        DirtyTreeError: there are uncommitted changes, and ``aexp.yaml`` refuses them.
        TransferError: the outputs could not be published; they are staged still.
        MissingExtraError: Hydra is not installed.
    """
    load_configs(layout, folder)
    told, named = expand_multirun(arguments, partial(read_multirun, folder))
    choices = {} if named is None else {GROUP: named.name}
    runner = _Runner(layout, reporter, str(folder), config_name, choices)
    flags = ["--multirun"] if multirun or named is not None else []
    overrides, given = split_arguments(told)
    with _place_for_hydra(layout, overrides) as more:
        runner.drive([*overrides, *more, *flags, *given])
    return runner.done


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the overrides among the arguments, and Hydra's flags with their values.

    Hydra takes overrides in one row only; so they may stand anywhere.
    """
    overrides: list[str] = []
    flags: list[str] = []
    rest = iter(arguments)
    for text in rest:
        if not text.startswith("-"):
            into = flags if flags and flags[-1] in _MAY_HAVE_VALUE and text in _SHOWS else overrides
            into.append(text)
            continue
        flags.append(text)
        if text in _HAVE_VALUE:
            flags += [value for value in [next(rest, None)] if value is not None]
    return overrides, flags


@contextlib.contextmanager
def _place_for_hydra(layout: Layout, arguments: Sequence[str]) -> Iterator[list[str]]:
    """Give Hydra a folder that git ignores, unless the user has chosen one; yield the override.

    What the configuration itself says of ``hydra.run.dir`` beats this option of Hydra's own group.
    """
    from hydra.core.config_store import ConfigStore

    if any(text.lstrip("+").startswith("hydra/output=") for text in arguments):
        yield []
        return
    place = layout.tmp_dir / f"exec-{secrets.token_hex(6)}"
    node = {
        "run": {"dir": str(place / "0")},
        "sweep": {"dir": str(place), "subdir": "${hydra.job.num}"},
    }
    store = ConfigStore.instance()
    store.store(_OUTPUT_OPTION, node, group="hydra/output", package="hydra", provider="aexp")
    make_folder(layout.tmp_dir)
    try:
        yield [f"hydra/output={_OUTPUT_OPTION}"]
    finally:
        (place / "multirun.yaml").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            place.rmdir()  # empty, unless the model function wrote into it


class _Runner:
    """Runs what Hydra composes.

    Args:
        layout: the repository.
        reporter: is told of each execution.
        folder: the config folder.
        config_name: the main config.
        choices: what else was chosen than options of groups.
    """

    def __init__(
        self,
        layout: Layout,
        reporter: Reporter,
        folder: str,
        config_name: str,
        choices: Mapping[str, str],
    ) -> None:
        self.layout = layout
        self.done: list[Done] = []
        self._reporter = reporter
        self._folder = folder
        self._config_name = config_name
        self._choices = choices
        self._error: AexpError | None = None

    def drive(self, arguments: Sequence[str]) -> None:
        """Let Hydra compose and call :meth:`job`, once or several times.

        Raises:
            AexpError: what :func:`run_configured` says.
        """
        import hydra

        decorated = hydra.main(
            config_path=self._folder, config_name=self._config_name, version_base=VERSION_BASE
        )
        before, sys.argv = sys.argv, ["aexp exec", *arguments]
        problem: AexpError | None = None
        try:
            # Without this, Hydra prints what goes wrong, and exits.
            with settings.environment_with({"HYDRA_FULL_ERROR": "1"}), told_plainly():
                decorated(self._task())()
        except AexpError as error:
            problem = error
        finally:
            sys.argv = before
        self._raise(problem)

    def _task(self) -> Callable[[Any], Any]:
        def task(config: Any) -> Any:
            from hydra.core.hydra_config import HydraConfig
            from hydra.types import RunMode

            hydra = HydraConfig.get()
            try:
                return self.job(config, hydra)
            except AexpError as error:
                self._error = self._error or error
                if hydra.mode == RunMode.MULTIRUN:
                    raise  # the sweeper must know; Hydra names the overrides
                return None

        # Hydra calls the job, and its log file, after the module of its function.
        task.__module__ = self._config_name
        return task

    def _raise(self, problem: AexpError | None) -> None:
        failed = [done for done in self.done if done.error is not None]
        error = self._error or problem
        if error is None:
            return
        if failed and len(self.done) > 1:
            first = failed[0]
            raise PartialFailureError(
                f"{len(failed)} of {len(self.done)} executions failed",
                hint=f"the first is {first.execution_rid[:8]}: {first.error}",
            ) from error
        raise error

    def job(self, config: Any, hydra: Any) -> Any:
        """Run one job, and return what the model function returned.

        Raises:
            AexpError: what :func:`run_configured` says.
        """
        output_dir = Path(hydra.runtime.output_dir)
        try:
            plan = plan_job(self.layout, config, hydra, self._argv(hydra), self._choices)
            if plan.dry_run:
                self._reporter.checked(dry_run(self.layout, plan.configuration))
                return None
            return self._execute(plan, output_dir, f"{hydra.job.name}.log")
        finally:
            self._tidy(output_dir)

    def _execute(self, plan: JobPlan, output_dir: Path, log_name: str) -> Any:
        execution = Repository(self.layout).create_execution(plan.configuration)
        self._reporter.created(execution)
        outputs: dict[str, list[str]] = {}
        problem: AexpError | None = None
        try:
            returned = _call(execution, plan, output_dir, log_name)
            published = execution.upload_execution_outputs(
                progress_callback=self._reporter.uploading
            )
            outputs = {kind: [path.name for path in paths] for kind, paths in published.items()}
            return returned
        except AexpError as error:
            problem = error
            raise
        finally:
            done = Done(
                execution.execution_rid,
                execution.status.value,
                outputs,
                problem,
                self._tidy(output_dir),
            )
            self.done.append(done)
            self._reporter.ended(done)

    def _tidy(self, output_dir: Path) -> Path | None:
        return _tidy(output_dir) if output_dir.is_relative_to(self.layout.tmp_dir) else None

    def _argv(self, hydra: Any) -> list[str]:
        """Return the command line that runs this very job again."""
        from omegaconf import OmegaConf

        # As they were typed: what they refer to may not be there, and is looked up in its place.
        overrides: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
        where = self.layout.relative(Path(self._folder))
        named = ["--config-dir", where, "--config-name", self._config_name]
        return ["aexp", "exec", *named, *map(str, overrides)]


def _call(execution: Execution, plan: JobPlan, output_dir: Path, log_name: str) -> Any:
    """Call the model function within the execution.

    Raises:
        ExecutionFailedError: it raised; the execution is Failed, and what was staged is kept.
        AexpError: an input cannot be had; the execution is Created still.
    """
    begun = False
    try:
        with execution:
            begun = True
            stage_config(execution, output_dir / ".hydra")
            for name, value in plan.parameters.items():
                execution.log_parameter(name, value)
            return _logged(execution, plan.model, output_dir / log_name)
    except Exception as error:
        if not begun:
            raise
        raise failed(execution, "the model function", error) from error


def _logged(execution: Execution, model: Callable[..., Any], path: Path) -> Any:
    try:
        return _called(model, execution)
    except Exception as error:
        log.error("the model function failed", exc_info=error.with_traceback(_theirs(error)))
        raise
    finally:
        _stage_log(execution, path)


def _called(model: Callable[..., Any], execution: Execution) -> Any:
    try:
        return model(execution=execution) if takes_execution(model) else model()
    except SystemExit as stop:
        if stop.code in (None, 0):
            return None
        raise ExecutionFailedError(f"it exited with {stop.code}") from stop


def _theirs(error: BaseException) -> Any:
    """Return the traceback from the model function's own frames on."""
    import hydra

    ours = (Path(__file__), Path(hydra.__file__).parent)
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if not any(path.is_relative_to(place) for place in ours):
            return trace
        trace = trace.tb_next
    return error.__traceback__


# --- what Hydra wrote ----------------------------------------------------------------------------


def stage_config(execution: Execution, folder: Path) -> None:
    """Stage the configuration and the overrides that Hydra wrote, as metadata of the execution."""
    for name in ("config.yaml", "overrides.yaml"):
        if (folder / name).is_file():
            stage_text(execution, f"hydra-{name}", (folder / name).read_text("utf-8"))


def stage_text(execution: Execution, name: str, text: str) -> None:
    """Stage a part of a configuration, without what looks like a secret (trap 17).

    Args:
        execution: whose it is.
        name: what the output is called.
        text: what is in it.
    """
    make_folder(execution.layout.tmp_dir)
    with tempfile.TemporaryDirectory(dir=execution.layout.tmp_dir, prefix="config-") as folder:
        path = Path(folder, name)
        path.write_text(redact_secrets(text, lambda kind: None), "utf-8")
        execution.asset_file_path(
            MLAsset.execution_metadata,
            path,
            asset_types=ExecMetadataType.hydra_config,
            copy_file=True,
        )


def _stage_log(execution: Execution, path: Path) -> None:
    """Stage the log of the job, if there is anything in it."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    try:
        if path.stat().st_size:
            execution.asset_file_path(
                MLAsset.execution_metadata,
                path,
                asset_types=ExecMetadataType.execution_log,
                copy_file=True,
                rename_file="hydra-job.log",
            )
    except FileNotFoundError:
        return
    except (AexpError, OSError) as error:  # how the work ended matters more
        log.warning("the log could not be staged: %s", error)


def _tidy(output_dir: Path) -> Path | None:
    """Remove what Hydra wrote, which is staged; return the folder when something else is in it."""
    for handler in list(logging.getLogger().handlers):
        if (
            isinstance(handler, logging.FileHandler)
            and Path(handler.baseFilename).parent == output_dir
        ):
            logging.getLogger().removeHandler(handler)
            handler.close()
            Path(handler.baseFilename).unlink(missing_ok=True)
    for name in ("config.yaml", "hydra.yaml", "overrides.yaml"):
        (output_dir / ".hydra" / name).unlink(missing_ok=True)
    for folder in (output_dir / ".hydra", output_dir):
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return output_dir
    return None
