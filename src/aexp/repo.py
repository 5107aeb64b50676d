"""The one gate: find the repository, read its settings, know every path.

Nothing here starts git: the root is where ``.git`` is, and a linked worktree names its main
repository in that file. A linked worktree without an installation of its own uses the main
worktree's run store and machine label (model.md, decision 12).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from aexp.errors import CorruptDataError, NotARepositoryError, NotFoundError, UsageError

if TYPE_CHECKING:
    from aexp.model.remote import RemoteAddress

LEDGER_DIR_REL = ".aexp/ledger"
INDEX_DIR_REL = ".aexp/runs-index"
INSTALLED_REL = ".aexp/installed.json"
KB_DIR_REL = "kb/research"
SETTINGS_REL = "aexp.yaml"
DEFAULT_RUN_STORE = ".runs"
MANAGED_FOLDERS = (".aexp", ".runs", "kb")
"""Folders whose changes do not change what a run is (model.md, decision 11)."""

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")


class Layout(Struct, frozen=True):
    """Where everything of one repository is. All paths are absolute.

    Attributes:
        root: the work tree's root.
        git_dir: this work tree's git folder, None outside git.
        common_dir: the git folder that all worktrees share, None outside git.
        home: the root whose installation counts: ``root``, or the main worktree's root.
        run_store: the folder of the signac project.
        machine_label: the stable name of this installation.
        installed: the content of ``.aexp/installed.json``, empty when there is none.
    """

    root: Path
    git_dir: Path | None
    common_dir: Path | None
    home: Path
    run_store: Path
    machine_label: str
    installed: Mapping[str, Any]

    @property
    def is_installed(self) -> bool:
        """Whether ``aexp install`` has been run here (or in the main worktree)."""
        return bool(self.installed)

    @property
    def aexp_dir(self) -> Path:
        """``.aexp`` of this work tree."""
        return self.root / ".aexp"

    @property
    def tmp_dir(self) -> Path:
        """Where temporary files of this work tree go; git ignores it."""
        return self.root / ".aexp" / "tmp"

    @property
    def locks_dir(self) -> Path:
        """Where lock files that belong to no run go."""
        return self.root / ".aexp" / "locks"

    @property
    def ledger_dir(self) -> Path:
        """The committed ledger."""
        return self.root / LEDGER_DIR_REL

    @property
    def index_dir(self) -> Path:
        """The committed per-machine indexes."""
        return self.root / INDEX_DIR_REL

    @property
    def kb_dir(self) -> Path:
        """The markdown artifacts."""
        return self.root / KB_DIR_REL

    @property
    def workspace(self) -> Path:
        """The folder with one folder per run."""
        return self.run_store / "workspace"

    def relative(self, path: Path) -> str:
        """Return ``path`` as messages show it: POSIX and relative to the root when inside it."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.as_posix()


def open_layout(start: str | Path | None = None, *, require_git: bool = True) -> Layout:
    """Find the repository that holds ``start`` and return its layout.

    Args:
        start: any folder of the repository; the working directory when None.
        require_git: False accepts a folder outside git, which then is the root.

    Raises:
        NotARepositoryError: no ``.git`` here or above.
        CorruptDataError: ``.aexp/installed.json`` or a ``.git`` file is damaged.
    """
    try:
        here = Path(os.path.realpath(start or Path.cwd()))
    except FileNotFoundError:
        raise NotARepositoryError(
            "the working directory does not exist any more", hint="go to one that does: cd …"
        ) from None
    found = next((p for p in (here, *here.parents) if _is_work_tree(p)), None)
    if found is None:
        if require_git:
            raise NotARepositoryError(
                f"{here} is not inside a git repository",
                hint="go to your repository, or make one with `git init`",
            )
        return _layout(here, None, None)
    git_dir, common_dir = _git_folders(found)
    return _layout(found, git_dir, common_dir)


def _layout(root: Path, git_dir: Path | None, common_dir: Path | None) -> Layout:
    home, installed = root, read_installed(root)
    linked = common_dir is not None and common_dir != git_dir and common_dir.name == ".git"
    if not installed and linked:
        assert common_dir is not None
        home = common_dir.parent
        installed = read_installed(home)
    store = Path(str(installed.get("run_store_path") or DEFAULT_RUN_STORE))
    return Layout(
        root=root,
        git_dir=git_dir,
        common_dir=common_dir,
        home=home,
        run_store=Path(os.path.normpath(home / _expanded(store))),
        machine_label=_label(installed),
        installed=installed,
    )


def _git_folders(root: Path) -> tuple[Path, Path]:
    """Return the git folder of a work tree and the one its worktrees share."""
    dot_git = root / ".git"
    git_dir = dot_git
    if dot_git.is_file():
        target = _first_line(dot_git)
        if not target.startswith("gitdir: "):
            raise CorruptDataError(
                "the file .git does not say where the repository is",
                hint="run `git status`; `git worktree repair` in the main work tree may mend it",
            )
        git_dir = Path(os.path.normpath(root / target.removeprefix("gitdir: ")))
    try:
        shared = _first_line(git_dir / "commondir")
    except OSError:
        return git_dir, git_dir
    return git_dir, Path(os.path.normpath(git_dir / shared))


def _is_work_tree(folder: Path) -> bool:
    """Tell whether ``folder`` has a ``.git`` that git would take (an empty folder is none)."""
    dot_git = folder / ".git"
    try:
        return dot_git.is_file() or (dot_git / "HEAD").exists() or (dot_git / "HEAD").is_symlink()
    except OSError:
        return False


def _first_line(path: Path) -> str:
    """Return what git wrote into ``path``: a path may hold blanks, and even newlines."""
    return os.fsdecode(path.read_bytes()).removesuffix("\n").removesuffix("\r")


def read_installed(root: Path) -> dict[str, Any]:
    """Return the content of ``.aexp/installed.json``; empty when there is no such file.

    Raises:
        CorruptDataError: the file is there and is no JSON object, or cannot be read.
    """
    path = root / INSTALLED_REL
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise CorruptDataError(
            f"{INSTALLED_REL} cannot be read: {error.strerror}",
            hint="move it away, then run `aexp install --yes`",
        ) from None
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        value = None
    if not isinstance(value, dict):
        raise CorruptDataError(
            f"{INSTALLED_REL} is damaged", hint="run `aexp install --yes` to write it anew"
        )
    return value


class Policy(Struct, frozen=True):
    """What the committed settings say of how to record and how to check (model.md, decision 9).

    Attributes:
        replicate_tolerance: by how much the results of two attempts of one run may differ, as a
            fraction of the larger. Training that is not deterministic (on a GPU, mostly) moves a
            final metric by about a hundredth. Five times that lets honest pairs pass, and a wrong
            data set, seed or version mostly moves it further.
        record_diff: whether uncommitted changes of the code are kept with a run (REC-09).
    """

    replicate_tolerance: float = 0.05
    record_diff: bool = True


def read_policy(data: bytes) -> Policy:
    """Return the ``policy`` block of ``aexp.yaml``, with the usual value for what it leaves out.

    Args:
        data: the file's bytes.

    Raises:
        CorruptDataError: the file is no YAML, or a setting has a value it cannot have.
    """
    block = _settings(data)[0].get("policy")
    if block is None:
        return Policy()
    if not isinstance(block, dict):
        raise CorruptDataError("its policy is no mapping of settings")
    tolerance = block.get("replicate_tolerance", Policy().replicate_tolerance)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float):
        raise CorruptDataError("its policy.replicate_tolerance is no number")
    if not 0 <= tolerance < float("inf"):
        raise CorruptDataError("its policy.replicate_tolerance is no number from 0 on")
    record_diff = block.get("record_diff", Policy().record_diff)
    if not isinstance(record_diff, bool):
        raise CorruptDataError("its policy.record_diff is neither true nor false")
    return Policy(replicate_tolerance=float(tolerance), record_diff=record_diff)


def read_settings(data: bytes) -> dict[str, Any]:
    """Return all settings in the bytes of ``aexp.yaml``, unchecked.

    Raises:
        CorruptDataError: the file is no YAML, or holds no mapping.
    """
    return _settings(data)[0]


def _settings(data: bytes) -> tuple[dict[str, Any], str]:
    """Return the settings in the bytes of ``aexp.yaml``, and its text."""
    from aexp.yaml import load

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise CorruptDataError("it is no UTF-8 text") from None
    settings = load(text)
    if settings is not None and not isinstance(settings, dict):
        raise CorruptDataError("it holds no mapping of settings")
    return settings or {}, text


class Remotes(Struct, frozen=True):
    """The places that bytes are shared through (SHR-01).

    Attributes:
        addresses: by name, in the order of the file.
        default: the name of the one that is used when none is said, or None.
    """

    addresses: Mapping[str, RemoteAddress] = field(default_factory=dict)
    default: str | None = None


def read_remotes(data: bytes) -> Remotes:
    """Return the ``remotes`` and the ``default_remote`` of ``aexp.yaml``.

    A single remote is the default when the file names none.

    Args:
        data: the file's bytes.

    Raises:
        CorruptDataError: the file is no YAML, or a remote is not what it must be. The message has
            the line, and never a credential.
    """
    settings, text = _settings(data)
    block, default = settings.get("remotes"), settings.get("default_remote")
    if block is not None and not isinstance(block, dict):
        raise _settings_error(text, ("remotes",), "remotes is no mapping of names to URLs")
    addresses = {name: _address(text, name, value) for name, value in (block or {}).items()}
    if default is None:
        return Remotes(addresses, next(iter(addresses)) if len(addresses) == 1 else None)
    if not isinstance(default, str) or default not in addresses:
        known = f"; there is {', '.join(addresses)}" if addresses else ""
        message = f"default_remote names no remote{known}"
        raise _settings_error(text, ("default_remote",), message)
    return Remotes(addresses, default)


def _address(text: str, name: str, value: object) -> RemoteAddress:
    from aexp.model.remote import check_remote_name, parse_remote  # slow to import

    settings = {"url": value} if isinstance(value, str) else value
    path = ("remotes", name)
    if not isinstance(settings, dict) or not isinstance(settings.get("url"), str):
        message = f"remote {name!r} has no URL"
        raise _settings_error(text, path, message, hint=f"write {name}: sftp://host/path")
    endpoint = settings.get("endpoint_url")
    unknown = sorted(set(settings) - {"url", "endpoint_url"})
    if unknown or not (endpoint is None or isinstance(endpoint, str)):
        message = f"remote {name!r} has url and endpoint_url, each a text, and no other setting"
        raise _settings_error(text, path, message)
    try:
        check_remote_name(name)
        return parse_remote(settings["url"], name=name, endpoint=endpoint)
    except UsageError as error:
        message = f"remote {name!r}: {error.message}"
        raise _settings_error(text, path, message, hint=error.hint) from None


def _settings_error(
    text: str, path: tuple[str, ...], message: str, *, hint: str | None = None
) -> CorruptDataError:
    from aexp.yaml import key_lines

    line = key_lines(text).get(path)
    where = f"{SETTINGS_REL}, line {line}" if line else SETTINGS_REL
    return CorruptDataError(f"{where}: {message}", hint=hint or "see docs/format/settings.md")


def load_remotes(layout: Layout) -> Remotes:
    """Return the remotes that this work tree's ``aexp.yaml`` names; none when there is no file.

    Raises:
        CorruptDataError: see :func:`read_remotes`.
    """
    try:
        data = (layout.root / SETTINGS_REL).read_bytes()
    except FileNotFoundError:
        return Remotes()
    except OSError as error:
        raise CorruptDataError(f"{SETTINGS_REL} cannot be read: {error.strerror}") from None
    try:
        return read_remotes(data)
    except CorruptDataError as error:
        if error.message.startswith(SETTINGS_REL):
            raise
        message = f"{SETTINGS_REL}: {error.message}"
        raise CorruptDataError(message, hint=error.hint or "correct it by hand") from None


def load_settings(layout: Layout) -> dict[str, Any]:
    """Return all that this work tree's ``aexp.yaml`` says; nothing when there is no file.

    Raises:
        CorruptDataError: it cannot be read, or is no mapping of settings.
    """
    try:
        return _settings((layout.root / SETTINGS_REL).read_bytes())[0]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CorruptDataError(f"{SETTINGS_REL} cannot be read: {error.strerror}") from None
    except CorruptDataError as error:
        message = f"{SETTINGS_REL}: {error.message}"
        raise CorruptDataError(message, hint=error.hint or "correct it by hand") from None


def choose_remote(layout: Layout, name: str | None = None) -> RemoteAddress:
    """Return the remote called ``name``, or the default one.

    Args:
        layout: the repository.
        name: a name in ``aexp.yaml``, a URL, or a folder written with a slash; None for the
            default.

    Raises:
        NotFoundError: there is no such remote, or no default.
        UsageError: a URL that cannot be one, or that holds credentials.
    """
    if name is not None and ("://" in name or name.startswith(("/", "./", "../", "~/"))):
        from aexp.model.remote import parse_remote

        return parse_remote(name)
    remotes = load_remotes(layout)
    if name is None and remotes.default is None:
        if remotes.addresses:
            known = ", ".join(remotes.addresses)
            raise NotFoundError(
                f"there are several remotes ({known}) and no default_remote",
                hint=f"name one with --remote, or write default_remote: … into {SETTINGS_REL}",
            )
        raise NotFoundError(
            "no remote is set up",
            hint=f"write remotes: {{lab: sftp://host/path}} into {SETTINGS_REL}, and commit it",
        )
    wanted = name or remotes.default or ""
    if wanted not in remotes.addresses:
        known = ", ".join(remotes.addresses) or "none"
        raise NotFoundError(
            f"there is no remote {wanted!r}", hint=f"{SETTINGS_REL} has: {known}; or give a URL"
        )
    return remotes.addresses[wanted]


def run_store_is_gone(layout: Layout) -> bool:
    """Tell whether the run store was set up outside the repository and is not there now.

    Its disk may not be mounted, or a link's target was moved: making an empty store in its place
    would hide the runs. A store inside the repository is ours to make again.
    """
    if not layout.is_installed or layout.run_store.is_dir():
        return False
    place = Path(os.path.realpath(layout.run_store))
    return not place.is_relative_to(os.path.realpath(layout.home))


def read_machine_label(repo_root: str | Path) -> str:
    """Return this installation's machine label, the short host name when none was set (INS-05)."""
    return open_layout(repo_root, require_git=False).machine_label


def _expanded(path: Path) -> Path:
    """Return ``path`` with a leading ``~`` resolved, unchanged where there is no such user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _label(installed: Mapping[str, Any]) -> str:
    """Return the label in ``installed``, proved harmless as a file name (trap 18)."""
    label = str(installed.get("machine_label") or default_machine_label())
    if not _LABEL.fullmatch(label):
        raise CorruptDataError(
            f"{INSTALLED_REL} holds {label!r}, which is no machine label",
            hint="run `aexp install --yes --machine-label NAME` with a name such as: laptop",
        )
    return label


def default_machine_label() -> str:
    """Return the short host name, made a legal label."""
    import socket  # slow to import

    short = socket.gethostname().split(".")[0]
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "-", short).strip("-._")
    return cleaned if cleaned and _LABEL.fullmatch(cleaned) else "machine"


def check_machine_label(label: str) -> str:
    """Return ``label`` when it is a legal machine label (INS-05, IDX-01, trap 18).

    Letters, digits, ``.``, ``_`` and ``-``; at most 64; no leading or trailing dot.

    Raises:
        UsageError: it is not.
    """
    if not _LABEL.fullmatch(label):
        raise UsageError(
            f"{label!r} is no machine label",
            hint="use letters, digits, '.', '_' and '-', for example: laptop, cluster-a",
        )
    return label
