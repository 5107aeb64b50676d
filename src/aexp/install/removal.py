"""A list of removals that knows what will be left, so that emptied folders can go as well."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from aexp.errors import StorageError
from aexp.install.changes import Change, Kind


class Removal:
    """Collects the changes of a removal.

    Args:
        root: what the paths are relative to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._changes: list[Change] = []
        self._gone: set[str] = set()

    @property
    def changes(self) -> tuple[Change, ...]:
        """What was collected, in order."""
        return tuple(self._changes)

    def extend(self, changes: Iterable[Change]) -> None:
        """Add changes that others have planned."""
        for change in changes:
            self._changes.append(change)
            if change.kind in ("removed", "removed_folder"):
                self._gone.add(change.path)

    def write(self, change: Change) -> None:
        """Add a change that leaves the file there."""
        self.extend([change])

    def remark(self, kind: Kind, path: str, detail: str) -> None:
        """Add something to tell."""
        self.extend([Change(kind, path, detail)])

    def remove(self, path: str) -> None:
        """Remove a file."""
        self.extend([Change("removed", path)])

    def remove_if_there(self, path: str) -> None:
        """Remove a file unless it is missing."""
        if (self._root / path).is_file():
            self.remove(path)

    def holds(self, folder: str) -> set[str]:
        """Return the names in a folder that will be left; none when there is no such folder.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            names = {entry.name for entry in (self._root / folder).iterdir()}
        except (FileNotFoundError, NotADirectoryError):
            return set()
        except OSError as error:
            raise StorageError(f"cannot read {folder}: {error.strerror}") from error
        return {name for name in names if f"{folder}/{name}" not in self._gone}

    def remove_folders(self, *folders: str, made_meanwhile: bool = False) -> None:
        """Remove those of ``folders`` that will be empty; a link to a folder is no folder.

        Args:
            folders: children before parents.
            made_meanwhile: the removal itself may make them.
        """
        for folder in folders:
            path = self._root / folder
            there = made_meanwhile or (path.is_dir() and not path.is_symlink())
            if there and not self.holds(folder):
                self.extend([Change("removed_folder", folder)])
