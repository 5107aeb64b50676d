"""The one place below the surfaces that reads the process environment.

The variables read here are part of the public contract (``docs/reference/environment.md``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

JOB_ID = "AEXP_JOB_ID"
JOB_WORKSPACE = "AEXP_JOB_WORKSPACE"
ATTEMPT_ID = "AEXP_ATTEMPT_ID"
REGISTRY_ROOT = "AEXP_REGISTRY_ROOT"
SWEEP_OUT = "AEXP_SWEEP_OUT"
ALLOW_DIRTY = "AEXP_ALLOW_DIRTY"
EXECUTION_RID = "AEXP_EXECUTION_RID"
REPO_ROOT = "AEXP_REPO_ROOT"
NOTEBOOK = "AEXP_NOTEBOOK"


class RunEnvironment(Struct, frozen=True):
    """What ``aexp run`` tells the process it wraps (RUN-05)."""

    job_id: str
    workspace: str
    attempt_id: str

    def as_environ(self) -> dict[str, str]:
        """Return the variables to add to a child's environment."""
        return {
            JOB_ID: self.job_id,
            JOB_WORKSPACE: self.workspace,
            ATTEMPT_ID: self.attempt_id,
        }


class SchedulerEnvironment(Struct, frozen=True):
    """What Slurm tells a job step about itself; empty strings where it is not Slurm."""

    job_id: str
    restart_count: int
    step_id: str = ""
    cluster: str = ""


_GIT_KEPT = (
    *("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG_", "GIT_TRACE", "GIT_EXEC_PATH"),
    *("GIT_SSH", "GIT_ASKPASS", "GIT_SSL_", "GIT_HTTP_", "GIT_PROXY_", "GIT_ALLOW_PROTOCOL"),
)
"""What says who, how and over which wire, but not which repository."""


def _int(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0


def run_environment(environ: Mapping[str, str] | None = None) -> RunEnvironment | None:
    """Return the run this process records into, or None outside ``aexp run``."""
    env = os.environ if environ is None else environ
    job_id, workspace = env.get(JOB_ID), env.get(JOB_WORKSPACE)
    attempt_id = env.get(ATTEMPT_ID)
    if not job_id or not workspace or not attempt_id:
        return None
    return RunEnvironment(job_id, workspace, attempt_id)


def scheduler_environment(environ: Mapping[str, str] | None = None) -> SchedulerEnvironment:
    """Return the Slurm job this process belongs to (its restart count is 0 on the first start)."""
    env = os.environ if environ is None else environ
    job = env.get("SLURM_JOB_ID", "")
    restarts = _int(env.get("SLURM_RESTART_COUNT"))
    step, cluster = env.get("SLURM_STEP_ID", ""), env.get("SLURM_CLUSTER_NAME", "")
    return SchedulerEnvironment(job, restarts, step, cluster if job else "")


def slurm_tasks(environ: Mapping[str, str] | None = None) -> int:
    """Return how many tasks the Slurm allocation around this process is for; 0 outside one."""
    env = os.environ if environ is None else environ
    return max(1, _int(env.get("SLURM_NTASKS"))) if env.get("SLURM_JOB_ID") else 0


def process_rank(environ: Mapping[str, str] | None = None) -> int:
    """Return this process's rank in a parallel job, 0 when it is not one of several (RUN-05)."""
    env = os.environ if environ is None else environ
    for name, size in (
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
        ("PMI_RANK", "PMI_SIZE"),
        ("SLURM_PROCID", "SLURM_NTASKS"),
    ):
        if name in env and _int(env.get(size)) > 1:
            return _int(env.get(name))
    return 0


def registry_root(environ: Mapping[str, str] | None = None) -> str | None:
    """Return where the user wants the registry to be, None when they do not say (REG-05)."""
    env = os.environ if environ is None else environ
    return env.get(REGISTRY_ROOT) or None


def sweep_out(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the folder for the output files of the sweep's point that this process is, or None."""
    env = os.environ if environ is None else environ
    return env.get(SWEEP_OUT) or None


def announce_sweep_out(folder: str) -> None:
    """Tell this process, and what it starts, where the output files of its point go."""
    os.environ[SWEEP_OUT] = folder


class NotebookEnvironment(Struct, frozen=True):
    """What ``aexp exec-notebook`` tells the kernel it starts (EXE-61)."""

    execution_rid: str
    repo_root: str
    notebook: str

    def as_environ(self) -> dict[str, str]:
        """Return the variables for the kernel's environment."""
        return {
            EXECUTION_RID: self.execution_rid,
            REPO_ROOT: self.repo_root,
            NOTEBOOK: self.notebook,
        }


def notebook_environment(environ: Mapping[str, str] | None = None) -> NotebookEnvironment | None:
    """Return the execution whose notebook this process runs, None outside of one."""
    env = os.environ if environ is None else environ
    rid, root = env.get(EXECUTION_RID), env.get(REPO_ROOT)
    return NotebookEnvironment(rid, root, env.get(NOTEBOOK, "")) if rid and root else None


def notebook_file(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the notebook that this process is the kernel of, None when nobody says so.

    A Jupyter server tells its kernels in a variable of its own.
    """
    env = os.environ if environ is None else environ
    for name in (NOTEBOOK, "JPY_SESSION_NAME"):
        if env.get(name, "").endswith(".ipynb"):
            return env[name]
    return None


def dirty_is_allowed(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether nothing is to be said about uncommitted changes (EXE-03)."""
    env = os.environ if environ is None else environ
    return env.get(ALLOW_DIRTY, "").strip().lower() in ("1", "true", "yes", "on")


def jupyter_path_with(folder: str) -> dict[str, str]:
    """Return the variable that lets Jupyter look into ``folder`` before all other places."""
    known = os.environ.get("JUPYTER_PATH")
    return {"JUPYTER_PATH": f"{folder}{os.pathsep}{known}" if known else folder}


@contextmanager
def environment_with(extra: Mapping[str, str]) -> Iterator[None]:
    """Let this process, and what it starts, have other variables for a while."""
    before = {name: os.environ.get(name) for name in extra}
    os.environ.update(extra)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def is_set(name: str) -> bool:
    """Return whether this process's environment has the variable ``name``."""
    return name in os.environ


def config_home() -> Path:
    """Return the folder of the user's own settings, where git has its file of attributes."""
    configured = os.environ.get("XDG_CONFIG_HOME")
    # Path.expanduser raises where there is no home; then git has no such file either.
    return Path(configured or os.path.expanduser("~/.config"))  # noqa: PTH111


def ssh_folder() -> Path:
    """Return the folder with the user's own SSH settings and keys."""
    return Path(os.path.expanduser("~/.ssh"))  # noqa: PTH111


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with ``extra`` on top, for a child process."""
    return {**os.environ, **extra}


def git_environment(index_file: str | None = None) -> dict[str, str]:
    """Return an environment for git with every repository-selecting ``GIT_*`` variable removed.

    Inside a hook git sets ``GIT_DIR``, ``GIT_INDEX_FILE`` and others, which would make a git
    started for another folder work on the wrong repository. Identity, tracing and network settings
    stay. ``index_file`` names the index to use instead of the repository's own.
    """
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(_GIT_KEPT)
    }
    env.pop("LANGUAGE", None)  # it would translate messages in spite of LC_ALL
    env.update(LC_ALL="C.UTF-8", GIT_TERMINAL_PROMPT="0")
    if index_file is not None:
        env["GIT_INDEX_FILE"] = index_file
    return env


def hook_index_file(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the index git gave to the hook this process runs in, or None outside a hook.

    Git may give it relative to the working directory; the answer is absolute.
    """
    env = os.environ if environ is None else environ
    path = env.get("GIT_INDEX_FILE")
    return os.path.abspath(path) if path else None
