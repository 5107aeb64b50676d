"""Open the repository that an installation is made in, or taken out of, or looked at."""

from __future__ import annotations

from pathlib import Path

from aexp.errors import CorruptDataError, NotARepositoryError
from aexp.git import Git
from aexp.repo import DEFAULT_RUN_STORE, Layout, default_machine_label, open_layout


def open_for_install(start: str | Path | None = None) -> Layout:
    """Return the layout of the repository around ``start``, even when its marker is damaged.

    Raises:
        NotARepositoryError: there is no git repository, it is bare, or git does not take it.
        GitError: git is missing, or refuses to work in a repository of somebody else's.
    """
    try:
        layout = open_layout(start)
    except NotARepositoryError:
        _refuse_bare(Path(start or Path.cwd()))
        raise
    except CorruptDataError:
        layout = _damaged(Path(start or Path.cwd()))
    _check_work_tree(layout)
    return layout


def _damaged(start: Path) -> Layout:
    git = Git(start)
    root, git_dir, common_dir = (
        Path(git.run("rev-parse", "--path-format=absolute", what).text)
        for what in ("--show-toplevel", "--git-dir", "--git-common-dir")
    )
    return Layout(
        root=root,
        git_dir=git_dir,
        common_dir=common_dir,
        home=root,
        run_store=root / DEFAULT_RUN_STORE,
        machine_label=default_machine_label(),
        installed={},
    )


def _check_work_tree(layout: Layout) -> None:
    """Let git say whether it works in ``layout.root``: a folder that looks right may not be."""
    git = Git(layout.root)
    answer = git.run("rev-parse", "--is-inside-work-tree", check=False)
    if answer.returncode == 0 and answer.text == "true":
        return
    if answer.returncode == 0:
        raise _bare(layout.root)
    if "not a git repository" in answer.stderr:
        raise NotARepositoryError(
            f"git takes {layout.root} for no repository",
            hint="run `git status` there; `git init` completes a damaged .git folder",
        )
    git.run("rev-parse", "--is-inside-work-tree")


def _refuse_bare(start: Path) -> None:
    for folder in (start.absolute(), *start.absolute().parents):
        if all((folder / name).exists() for name in ("HEAD", "objects", "refs")):
            raise _bare(folder)


def _bare(folder: Path) -> NotARepositoryError:
    return NotARepositoryError(
        f"{folder} is a bare git repository, which has no files to work with",
        hint="go to a clone of it, or make a work tree with `git worktree add`",
    )
