"""Finding runs: here, in the ledger, or both."""

from __future__ import annotations

from collections.abc import Iterator

from aexp.beside import can_work_beside, working_beside
from aexp.errors import NotFoundError
from aexp.ledger.judge import entry_job_id
from aexp.ledger.store import Ledger, entry_files, read_ledger
from aexp.model.ids import is_job_id, resolve_prefix
from aexp.repo import Layout
from aexp.runs.view import RunView
from aexp.tree import WorkTree
from aexp.workspace.heads import Heads
from aexp.workspace.store import RunStore


def all_runs(
    layout: Layout, ledger: Ledger | None = None, *, bodies: bool = True
) -> Iterator[RunView]:
    """Yield every run of ledger and run store, sorted by id (LED-11).

    Args:
        layout: the repository.
        ledger: its ledger, when it has been read.
        bodies: whether many are going to be asked for what a listing does not show.
    """
    heads = RunStore(layout).heads(bodies=bodies)
    filed = ledger or read_beside(layout, heads, bodies=bodies)
    load = filed.entries.__getitem__
    here = heads.by_id()
    for job_id in sorted({*filed.heads, *here}):
        yield RunView(job_id, here.get(job_id), filed.heads.get(job_id), heads.record, load)


def read_beside(
    layout: Layout, heads: Heads, *, find_leaks: bool = False, bodies: bool = False
) -> Ledger:
    """Read the ledger, and of many runs the heads in a second process meanwhile.

    Args:
        layout: the repository.
        heads: the runs.
        find_leaks: look for secrets in the ledger too.
        bodies: whether many entries are going to be asked for whole.
    """
    tree = _tree(layout)
    if not heads.are_worth_a_process or not can_work_beside():
        return read_ledger(tree, find_leaks=find_leaks, layout=layout, bodies=bodies)
    heads.share()
    with working_beside(heads.send) as result:
        ledger = read_ledger(tree, find_leaks=find_leaks, layout=layout, bodies=bodies)
        heads.expect()
        sent = result()
    if sent is not None:  # it was not killed
        heads.receive(sent)
    return ledger


def view_of(layout: Layout, job_id: str) -> RunView:
    """Return one run by its full id.

    Raises:
        NotFoundError: it is neither here nor usable in the ledger.
    """
    from aexp.ledger.store import load_usable

    store = RunStore(layout)
    record = store.read(job_id) if store.folder(job_id).is_dir() else None
    entry = load_usable(layout, job_id)
    if record is None and entry is None:
        raise NotFoundError(
            f"the ledger entry of run {job_id} is not usable",
            hint="run `aexp validate` to see what is wrong with it",
        )
    return RunView.of(job_id, record, entry)


def resolve_run_id(layout: Layout, text: str) -> str:
    """Return the full id of the run that ``text`` begins (LED-04): here or in the ledger.

    Raises:
        UsageError: ``text`` is no beginning of an id.
        AmbiguousIdError: several runs match.
        NotFoundError: none does.
    """
    filed = (entry_job_id(layout.relative(path)) for path in entry_files(layout))
    known = {*RunStore(layout).ids(), *(job_id for job_id in filed if job_id is not None)}
    return resolve_prefix(text, known)


def resolve_local_id(layout: Layout, text: str) -> str:
    """Return the full id of a run of this machine.

    Raises:
        NotFoundError: it is not here; the hint says so when the ledger knows it.
    """
    ids = RunStore(layout).ids()
    try:
        return resolve_prefix(text, ids)
    except NotFoundError as error:
        try:
            elsewhere = resolve_run_id(layout, text)
        except (NotFoundError, ValueError):
            elsewhere = ""
        if is_job_id(elsewhere) and elsewhere not in ids:
            raise NotFoundError(
                f"run {elsewhere} is in the ledger, but its folder is not on this machine",
                hint="do this on the machine that ran it; see `aexp show-run`",
            ) from None
        raise error


def _tree(layout: Layout) -> WorkTree:
    return WorkTree(layout.root, has_git=layout.git_dir is not None)
