"""Creating runs (RUN-01)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import lru_cache

from msgspec import Struct

from aexp.clock import utc_now
from aexp.errors import MissingExperimentWarning, NotFoundError, UsageError
from aexp.kb import Artifact, parse_artifact, require_artifact
from aexp.kb.conditions import resolve_conditions
from aexp.kb.names import check_id, id_of_file
from aexp.model.canonical import Json
from aexp.model.ids import is_experiment_id
from aexp.model.statepoint import job_id as job_id_of
from aexp.model.statepoint import prepare_statepoint, undeclared_paths
from aexp.model.times import format_time
from aexp.repo import KB_DIR_REL, Layout
from aexp.runs.code_state import CodeState, code_state
from aexp.runs.heal import heal_pending
from aexp.tree import WorkTree
from aexp.workspace.store import RunStore


class Created(Struct, frozen=True):
    """The result of creating a run.

    Attributes:
        job_id: the run.
        created: False when it existed already.
        undeclared: dotted keys whose values hold paths of this machine.
    """

    job_id: str
    created: bool
    undeclared: tuple[str, ...] = ()


class Planned(Struct, frozen=True):
    """A run as it would be created.

    Attributes:
        job_id: its id.
        statepoint: its whole state point: conditions resolved, the state of the code in it.
        document: its first document.
        undeclared: dotted keys whose values hold paths of this machine.
        artifact: the experiment's file, or None.
    """

    job_id: str
    statepoint: dict[str, Json]
    document: dict[str, Json]
    undeclared: tuple[str, ...]
    artifact: Artifact | None


def create(
    layout: Layout,
    experiment_id: str | None,
    statepoint: Mapping[str, object] | None = None,
    *,
    hypothesis_id: str | None = None,
    sub_hypothesis_id: str | None = None,
    include_commit: bool = True,
    resolve: bool = True,
    missing: str = "refuse",
    code: CodeState | Callable[[], CodeState] | None = None,
    durable: bool = True,
) -> Created:
    """Create a run, or find the one that has this state point already.

    Args:
        layout: the repository.
        experiment_id: such as ``E001``, or None for an unlinked run.
        statepoint: the identity parameters.
        hypothesis_id: the hypothesis; the experiment's own when None.
        sub_hypothesis_id: a part of the hypothesis.
        include_commit: put the state of the code into the state point.
        resolve: resolve the experiment's ``conditions`` block (KB-02).
        missing: what to do about an experiment without a file: ``refuse``, ``warn`` or ``allow``.
        code: the state of the code, when the caller has asked git already, or what waits for it.
        durable: False for a run that begins right away; see :meth:`RunStore.create`.

    Raises:
        NotFoundError: the experiment or the hypothesis has no file and ``missing`` is ``refuse``;
            nothing was made.
        UsageError, UnsafeValueError: the state point may not be recorded.
        GitError: the state of the code cannot be read.
        StorageError: the disk refused.
    """
    run = plan_run(
        layout,
        experiment_id,
        statepoint,
        hypothesis_id=hypothesis_id,
        sub_hypothesis_id=sub_hypothesis_id,
        include_commit=include_commit,
        resolve=resolve,
        missing=missing,
        code=code,
    )
    heal_pending(layout)
    created = RunStore(layout).create(run.statepoint, run.document, durable=durable)
    return Created(run.job_id, created, run.undeclared)


def plan_run(
    layout: Layout,
    experiment_id: str | None,
    statepoint: Mapping[str, object] | None = None,
    *,
    hypothesis_id: str | None = None,
    sub_hypothesis_id: str | None = None,
    include_commit: bool = True,
    resolve: bool = True,
    missing: str = "refuse",
    code: CodeState | Callable[[], CodeState] | None = None,
) -> Planned:
    """Return what :func:`create` would make; the arguments are its own. Changes nothing.

    Raises:
        NotFoundError, UsageError, UnsafeValueError, GitError: as :func:`create`.
    """
    given = {k: v for k, v in (statepoint or {}).items() if k != "experiment_id"}
    if (statepoint or {}).get("experiment_id") not in (None, experiment_id):
        raise UsageError(
            "the state point names another experiment than experiment_id does",
            hint="choose the experiment with --experiment alone",
        )
    point = prepare_statepoint(given)
    artifact = None if experiment_id is None else _experiment(layout, experiment_id, missing)
    if missing == "refuse":
        require_hypothesis(layout, hypothesis_id)
    if artifact is not None and resolve:
        point = prepare_statepoint(resolve_conditions(artifact, point))
    full: dict[str, Json] = {"experiment_id": experiment_id} if experiment_id else {}
    if include_commit:
        state = code() if callable(code) else code or code_state(layout)
        full.update(state.statepoint_keys())
    full.update(point)
    document = _first_document(layout, experiment_id, hypothesis_id, sub_hypothesis_id, artifact)
    undeclared = tuple(undeclared_paths(point))
    return Planned(job_id_of(full), full, document, undeclared, artifact)


def _first_document(
    layout: Layout,
    experiment_id: str | None,
    hypothesis_id: str | None,
    sub_hypothesis_id: str | None,
    artifact: Artifact | None,
) -> dict[str, Json]:
    link = make_link(experiment_id, hypothesis_id, sub_hypothesis_id, artifact)
    return {
        "aexp": link,
        "status": "created",
        "created_at": format_time(utc_now()),
        "worktree": str(layout.root),
    }


def make_link(
    experiment_id: str | None,
    hypothesis_id: str | None,
    sub_hypothesis_id: str | None,
    artifact: Artifact | None,
) -> dict[str, Json]:
    """Return the run link block of a document; empty for an unlinked run."""
    if not experiment_id:
        return {}
    parent = artifact.frontmatter.get("hypothesis") if artifact is not None else None
    path = (
        artifact.path if artifact is not None else f"{KB_DIR_REL}/experiments/{experiment_id}-*.md"
    )
    return {
        "experiment_id": experiment_id,
        "experiment_path": path,
        "hypothesis_id": hypothesis_id or (str(parent) if parent else None),
        "sub_hypothesis_id": sub_hypothesis_id,
    }


def require_hypothesis(layout: Layout, hypothesis_id: str | None) -> None:
    """Check that a hypothesis that was named has a file.

    Raises:
        UsageError: it is no hypothesis id.
        NotFoundError: it has no file.
    """
    if hypothesis_id is not None:
        check_id(hypothesis_id, "hypothesis")
        require_artifact(WorkTree(layout.root, has_git=False), "hypothesis", hypothesis_id)


def _find(tree: WorkTree, experiment_id: str) -> Artifact | None:
    """Return an experiment; of a file whose content was seen before, what it was parsed to."""
    paths = tree.files(f"{KB_DIR_REL}/experiments")
    paths = [path for path in paths if id_of_file(path.rpartition("/")[2]) == experiment_id]
    for path, data in tree.read_many(paths[:1]):
        if isinstance(data, bytes):
            return _parsed(path, data)
        return parse_artifact("experiment", path, data)
    return None


@lru_cache(maxsize=32)
def _parsed(path: str, data: bytes) -> Artifact:
    return parse_artifact("experiment", path, data)


def _experiment(layout: Layout, experiment_id: str, missing: str) -> Artifact | None:
    if not is_experiment_id(experiment_id):
        raise UsageError(
            f"{experiment_id!r} is no experiment id", hint="experiments are named like E001"
        )
    tree = WorkTree(layout.root, has_git=layout.git_dir is not None)
    artifact = _find(tree, experiment_id)
    if artifact is not None or missing == "allow":
        return artifact
    if missing == "warn":
        warnings.warn(
            f"experiment {experiment_id} has no file in {KB_DIR_REL}/experiments yet",
            MissingExperimentWarning,
            stacklevel=5,
        )
        return None
    files = tree.files(f"{KB_DIR_REL}/experiments")
    names = (path.rpartition("/")[2].removesuffix(".md") for path in files if path.endswith(".md"))
    known = sorted({name.split("-")[0] for name in names})
    near = get_close_matches(experiment_id, known, n=3, cutoff=0.5)
    raise NotFoundError(
        f"there is no experiment {experiment_id}",
        hint=(f"did you mean {', '.join(near)}? " if near else "")
        + "make it with `aexp new-experiment`, or pass --allow-missing",
    )
