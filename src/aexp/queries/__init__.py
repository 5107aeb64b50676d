"""Questions over everything that is known: which runs, how two of them differ, how large it is.

Nothing here writes, the cache aside (model.md, decision 13).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["query"]


def query(
    where: str | None = None,
    *,
    sort: str | Iterable[str] | None = None,
    columns: str | Iterable[str] | None = None,
    limit: int | None = None,
    group_by: str | Iterable[str] | None = None,
    stats: str | Iterable[str] | None = None,
    attempts: bool = False,
    repo_root: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Return the runs of ledger and run store that a filter means (LED-11).

    Args:
        where: a filter such as ``lr < 0.01 and status = 'complete'``; every run when None.
        sort: fields, a ``-`` before one for the greatest first: ``-metrics.acc,lr``.
        columns: the fields of the result; the usual ones and all there are when None.
        limit: at most so many rows.
        group_by: fields; runs that agree in them become one row.
        stats: statistics of the groups: ``metrics.acc:mean,std,n``.
        attempts: a row for each attempt, not for each run.
        repo_root: any folder of the repository; the working directory when None.

    Returns:
        A dict for each row, by column, with None for what a run does not have. A name that no
        run has gives a ``UserWarning``.

    Raises:
        UsageError: a text does not follow the language (a ``ValueError``).
        NotARepositoryError: there is no git repository.
    """
    from aexp.queries.asking import ask, make_question
    from aexp.repo import open_layout

    question = make_question(
        where=where,
        sort=sort,
        columns=columns,
        limit=limit,
        group_by=group_by,
        stats=stats,
        attempts=attempts,
    )
    answer = ask(open_layout(repo_root), question)
    for line in answer.warnings:
        warnings.warn(line, UserWarning, stacklevel=2)
    return answer.rows
