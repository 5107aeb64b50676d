"""``aexp exec`` and ``aexp exec-notebook``: configured code as executions."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.execution import PublishBar
from aexp.cli.output import count, note, say, size_text, table
from aexp.errors import ExecutionFailedError, UsageError
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.execution.execution import Execution
    from aexp.execution.progress import UploadProgress
    from aexp.execution.reporting import Done, DryRun
    from aexp.repo import Layout

_ConfigDir = Annotated[
    Path | None,
    Option("--config-dir", "-c", "-cd", metavar="DIR", help="The config folder; else src/configs."),
]
_ConfigName = Annotated[
    str | None,
    Option("--config-name", "-cn", metavar="NAME", help="The main config; else aexp_model."),
]
_Info = Annotated[
    bool, Option("--info", help="Show the config groups and their options, and do nothing.")
]
_Overrides = Annotated[
    list[str] | None,
    Argument(
        help="Hydra's overrides, such as group=option, key=value and +experiment=NAME.",
        metavar="OVERRIDES",
    ),
]
_PASS = {"ignore_unknown_options": True}
"""What we do not know is Hydra's."""


def register(app: Group) -> None:
    """Add the commands to ``app``."""
    app.command("exec", context_settings=_PASS)(execute)
    app.command("exec-notebook", context_settings=_PASS, kind=_notebook_command)(execute_notebook)


def _notebook_command() -> type:
    from aexp.cli.notebook_command import NotebookCommand

    return NotebookCommand


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"-p {key} has no value", hint="write -p NAME VALUE, such as -p epochs 5")
    return key, value


def execute(
    overrides: _Overrides = None,
    config_dir: _ConfigDir = None,
    config_name: _ConfigName = None,
    info: _Info = False,
    multirun: Annotated[
        bool,
        Option("--multirun", "-m", help="One execution for each point of the sweep."),
    ] = False,
) -> None:
    """Run a model function that Hydra configures as an execution, and publish its outputs.

    `+experiment=NAME` takes a preset, `+multirun=NAME` a named sweep, and `dry_run=true` only
    fetches and verifies the inputs. Hydra's own flags work, such as `--cfg job`.
    """
    from aexp.execution.hydra_configs import MAIN_CONFIG, config_folder
    from aexp.execution.hydra_run import run_configured

    layout = open_layout()
    folder = config_folder(layout, config_dir)
    if info:
        _say_info(layout, folder, config_name or MAIN_CONFIG)
        return
    with _warnings(), Watcher() as watcher:
        run_configured(
            layout,
            overrides or [],
            folder=folder,
            config_name=config_name or MAIN_CONFIG,
            multirun=multirun,
            reporter=watcher,
        )


def execute_notebook(
    notebook: Annotated[Path, Argument(help="The notebook.", metavar="NOTEBOOK")],
    overrides: _Overrides = None,
    file: Annotated[
        Path | None,
        Option("--file", "-f", metavar="FILE", help="Parameters in a JSON or YAML file."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        Option(
            "--parameter",
            "-p",
            metavar="KEY VALUE",
            help="A parameter, which beats the file's; may be repeated.",
        ),
    ] = None,
    kernel: Annotated[
        str | None,
        Option("--kernel", "-k", metavar="NAME", help="A kernel; else that of this environment."),
    ] = None,
    inspect: Annotated[
        bool, Option("--inspect", help="Show the notebook's parameters, and do nothing.")
    ] = False,
    config_dir: _ConfigDir = None,
    config_name: _ConfigName = None,
    info: _Info = False,
    log_output: Annotated[
        bool, Option("--log-output", help="Show what the cells print, as they run.")
    ] = False,
) -> None:
    """Run a notebook as an execution, and publish its outputs together with the executed notebook.

    When a cell fails, the notebook as far as it ran is kept with what it staged.
    """
    from aexp.execution.hydra_configs import MAIN_CONFIG, config_folder
    from aexp.execution.notebook_run import NotebookRequest, run_notebook

    layout = open_layout()
    if info:
        _say_info(layout, config_folder(layout, config_dir), config_name or MAIN_CONFIG)
        return
    if inspect:
        _say_parameters(notebook)
        return
    request = NotebookRequest(
        path=notebook,
        file=file,
        parameters=[_pair(text) for text in parameter or ()],
        kernel=kernel,
        log_output=log_output,
        folder=config_dir,
        config_name=config_name,
        overrides=overrides or (),
    )
    with _warnings(), _without_papermill(), Watcher() as watcher:
        run_notebook(layout, request, watcher)


class Watcher(PublishBar):
    """Says how executions go."""

    def created(self, execution: Execution) -> None:
        """Say that one begins."""
        workflow = execution.configuration.workflow
        say(f"execution {execution.execution_rid}: {workflow.name} ({workflow.workflow_type})")

    def uploading(self, progress: UploadProgress) -> None:
        """Show how its publication goes."""
        self.show(progress)

    def ended(self, done: Done) -> None:
        """Say how it ended, and what it published."""
        self.__exit__()
        for kind, names in sorted(done.outputs.items()):
            for name in names:
                say(f"  {kind}/{name}")
        number = sum(map(len, done.outputs.values()))
        published = f": {count(number, 'file')} published" if number else ""
        say(f"execution {done.execution_rid[:8]} is {done.status}{published}")
        if done.error is not None and not isinstance(done.error, ExecutionFailedError):
            rid = done.execution_rid[:8]
            note(f"what it staged is kept; publish it with `aexp execution publish {rid}`")
        if done.left is not None:
            note(f"not registered, so not published: what is in {done.left}")

    def printed(self, text: str, *, error: bool) -> None:
        """Show what a cell printed."""
        (note if error else say)(text.removesuffix("\n"))

    def checked(self, dry: DryRun) -> None:
        """Say what an execution would have been."""
        workflow = dry.workflow
        say(f"dry run of {workflow.name} ({workflow.workflow_type}), {workflow.checksum[:12]}")
        for group, option in sorted(dry.config_choices.items()):
            say(f"  {group}={option}")
        for one in dry.inputs:
            if one["kind"] == "dataset":
                what = f"{one['rid']}@{one['version']}, {count(one['files'], 'file')}"
            else:
                what = f"{one['rid']} {one['asset']}/{one['name']}"
            say(f"  {one['kind']} {what}, {size_text(one['size'])}: verified")
        say("nothing was recorded or published")


@contextmanager
def _warnings() -> Iterator[None]:
    """Say each warning that is meant for users in a line."""

    def show(
        message: Warning | str, category: type[Warning], *args: object, **more: object
    ) -> None:
        if issubclass(category, UserWarning):
            note(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield


@contextmanager
def _without_papermill() -> Iterator[None]:
    """Keep papermill's own log away: what there is to say of a notebook, we say."""
    import logging

    logger = logging.getLogger("papermill")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _say_info(layout: Layout, folder: Path, main: str) -> None:
    from aexp.execution.hydra_configs import config_info, load_configs

    load_configs(layout, folder)
    info = config_info(folder, main)
    say(f"config folder: {layout.relative(folder)}")
    say(f"main config:   {main}{'' if info.has_main else ' (there is none of this name)'}")
    if info.groups:
        say()
        table(["GROUP", "OPTIONS"], [[g, ", ".join(o)] for g, o in info.groups.items()])
    if info.multiruns:
        say()
        table(
            ["MULTIRUN", "OVERRIDES", "DESCRIPTION"],
            [[m.name, " ".join(m.overrides), m.description] for m in info.multiruns],
        )


def _say_parameters(path: Path) -> None:
    from aexp.execution.parameters import read_notebook

    found = read_notebook(path)
    if found.parameters is None:
        raise UsageError(
            f"{path} has no cell of parameters", hint="give a cell of it the tag: parameters"
        )
    if not found.parameters:
        say("the cell of parameters is empty")
        return
    table(
        ["PARAMETER", "DEFAULT", "HELP"],
        [[one.name, one.default, one.help] for one in found.parameters],
    )
