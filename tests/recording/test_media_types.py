"""Telling what a file is (REC-04, trap 45)."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aexp.model.attachment import check_media_type
from aexp.recording.media_types import HEAD, media_type_of
from tests.recording.attachable import Holder
from tests.recording.optional import need


def told(data: bytes, name: str = "noname") -> str:
    """Return what is told of a whole file."""
    return media_type_of(data[:HEAD], len(data), name)


def packed(write: Callable[[io.BytesIO], object]) -> bytes:
    """Return what a function writes into a stream."""
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def with_numpy(kind: str) -> bytes:
    """Return a file that numpy writes."""
    numpy = need("numpy")
    values = numpy.arange(3)
    if kind == "npy":
        return packed(lambda stream: numpy.save(stream, values))
    if kind == "npz":
        return packed(lambda stream: numpy.savez(stream, a=values, b=values))
    return packed(lambda stream: numpy.savez_compressed(stream, a=values))


def with_pandas(kind: str) -> bytes:
    """Return a file that pandas writes."""
    frame = need("pandas").DataFrame({"a": [1, 2], "b": ["x, y", "z"]})
    if kind == "parquet":
        need("pyarrow")
        return bytes(frame.to_parquet())
    text: str = frame.to_json() if kind == "json" else frame.to_csv(sep=kind)
    return text.encode()


def with_matplotlib(kind: str) -> bytes:
    """Return a picture that matplotlib draws."""
    need("matplotlib")
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    return packed(lambda stream: figure.savefig(stream, format=kind))


def archive(kind: str) -> bytes:
    """Return an archive with a text file in it."""
    if kind == "zip":
        return packed(lambda stream: zipfile.ZipFile(stream, "w").writestr("a.txt", "a"))

    def write(stream: io.BytesIO) -> None:
        with tarfile.open(fileobj=stream, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("a.txt"))

    return packed(write)


def database(tmp: Path) -> bytes:
    """Return a database of SQLite."""
    connection = sqlite3.connect(tmp / "db")
    connection.execute("create table a (b)")
    connection.commit()
    connection.close()
    return (tmp / "db").read_bytes()


REAL: dict[str, tuple[Callable[[], bytes], str]] = {
    "npy": (lambda: with_numpy("npy"), "application/x-npy"),
    "npz": (lambda: with_numpy("npz"), "application/x-npz"),
    "npz compressed": (lambda: with_numpy("npz compressed"), "application/x-npz"),
    "parquet": (lambda: with_pandas("parquet"), "application/vnd.apache.parquet"),
    "csv": (lambda: with_pandas(","), "text/csv"),
    "csv with semicolons": (lambda: with_pandas(";"), "text/csv"),
    "tsv": (lambda: with_pandas("\t"), "text/tab-separated-values"),
    "json": (lambda: with_pandas("json"), "application/json"),
    "png": (lambda: with_matplotlib("png"), "image/png"),
    "jpg": (lambda: with_matplotlib("jpg"), "image/jpeg"),
    "pdf": (lambda: with_matplotlib("pdf"), "application/pdf"),
    "gzip": (lambda: gzip.compress(b"a,b\n1,2\n"), "application/gzip"),
    "zip": (lambda: archive("zip"), "application/zip"),
    "tar": (lambda: archive("tar"), "application/x-tar"),
    "json lines": (lambda: b'{"a":1}\n{"a":2}\n', "application/jsonl"),
    "text": (lambda: "Größe, Länge\nund, wie man sagt, so fort\n".encode(), "text/plain"),
    "colours": (lambda: b"\x1b[31mred\x1b[0m\n", "text/plain"),
    "utf-16": (lambda: "a\n".encode("utf-16"), "text/plain"),
    "pickle": (lambda: b"\x80\x04K\x01.", "application/octet-stream"),
    "latin-1": (lambda: "é".encode("latin-1"), "application/octet-stream"),
    "nothing": (lambda: b"", "application/octet-stream"),
}


@pytest.mark.parametrize("name", list(REAL))
def test_by_content_alone(name: str) -> None:
    """Trap 45: a file that its own library wrote is told without an extension."""
    make, expected = REAL[name]
    assert told(make()) == expected


@pytest.mark.parametrize("name", [n for n in REAL if n not in ("nothing", "pickle", "latin-1")])
def test_a_wrong_extension_is_not_believed(name: str) -> None:
    """REC-04: content comes first, whatever the file is called."""
    make, expected = REAL[name]
    for extension in ("png", "parquet", "sqlite", "exe", "tar.gz", "npy", "mp4", "h5"):
        assert told(make(), f"file.{extension}") == expected


def test_sqlite(tmp_path: Path) -> None:
    """REC-04: a database is told too."""
    assert told(database(tmp_path)) == "application/vnd.sqlite3"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("one column.csv", b"a\n1\n", "text/csv"),
        ("header.CSV", b"a,b", "text/csv"),
        ("empty.csv", b"", "text/csv"),
        ("notes.txt", b"a,b\n1,2\n", "text/plain"),
        ("train.log", b'{"a": 1}', "text/plain"),
        ("train.py", b"x = [1, 2]\n", "text/x-python"),
        ("README.md", b"# a\n", "text/markdown"),
        ("config.yaml", b"{a: 1}\n", "application/yaml"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        ("a.ipynb", b'{"cells": []}', "application/x-ipynb+json"),
        ("a.geojson", b'{"type": "Point"}', "application/geo+json"),
        ("a.json", b"{broken", "text/plain"),
        ("a.json", b"[NaN]", "application/json"),
        ("a.json", b"17\n", "application/json"),
        ("a.json", b'"text"', "application/json"),
        ("a.json", b"words", "text/plain"),
        ("a.json", b"", "application/octet-stream"),
        ("a.npy", b"", "application/octet-stream"),
        ("a.parquet", b"\0\1", "application/octet-stream"),
        ("a.png", b"words", "text/plain"),
        ("a.tar", b"\0\1", "application/x-tar"),
        ("a.safetensors", b"\0\1", "application/octet-stream"),
        ("a.mov", b"\0\0\0\1moov", "video/quicktime"),
        ("a.json", b'{"a":1}\n{"a":2}\n', "application/jsonl"),
        ("a.jsonl", b'{"a":1}\n', "application/jsonl"),
        ("a.ndjson", b'{"a":1}\n{"a":2}\n', "application/jsonl"),
        ("a.csv", b"\x80\x04K\x01.", "application/octet-stream"),
        ("a.json", b"\x80\x04K\x01.", "application/octet-stream"),
        ("model.pt", b"\x80\x04K\x01.", "application/octet-stream"),
        ("a.xlsx", b"PK\x03\x04", "application/vnd.openxmlformats-officedocument."),
        ("arrays.zip", b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.npy", "application/zip"),
        ("arrays", b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.npy", "application/x-npz"),
        ("a.npz", b"PK\x05\x06", "application/x-npz"),
        ("a.csv.gz", b"\x1f\x8b\x08", "application/gzip"),
        ("a.nc", b"\x89HDF\r\n\x1a\n", "application/x-netcdf"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
        ("a.unheard", b"\0\1\2", "application/octet-stream"),
        ("noextension", b"plain words", "text/plain"),
    ],
)
def test_the_extension_decides_what_content_leaves_open(
    name: str, data: bytes, expected: str
) -> None:
    """REC-04: and it never makes text of bytes, nor JSON of what is none."""
    found = told(data, name)
    assert found.startswith(expected) if expected.endswith(".") else found == expected


@given(data=st.binary(max_size=300), size=st.integers(0, 400), name=st.text(max_size=20))
def test_any_bytes_have_a_media_type(data: bytes, size: int, name: str) -> None:
    """REC-04: never an error, and always something that can be stored."""
    assert check_media_type(media_type_of(data, len(data) + size, name))


@given(
    value=st.lists(st.text() | st.floats() | st.integers() | st.booleans() | st.none(), min_size=1),
    part=st.floats(0, 1),
    indent=st.sampled_from([None, 2]),
)
def test_a_long_json_is_told_by_its_beginning(value: list[Any], part: float, indent: Any) -> None:
    """REC-04: wherever the look ends, so that a huge file need not be read."""
    data = json.dumps({"values": value}, indent=indent, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    assume(b"\xed" not in data)
    cut = max(1, int(len(data) * part))
    assert media_type_of(data[:cut], len(data) + 1, "noname") == "application/json"


def test_a_long_text_that_only_begins_like_json() -> None:
    """REC-04: a fault far from the end is a fault."""
    text = b"[section]\nkey = value\n" * 100
    assert media_type_of(text, len(text) * 10, "setup") == "text/plain"


@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=5), part=st.floats())
def test_a_torn_character_is_no_fault(text: str, part: float) -> None:
    """REC-04: the look may end within a character."""
    data = "wörter ".encode() + text.encode()
    for cut in range(len(data) - 3, len(data) + 1):
        assert media_type_of(data[:cut], len(data) + 9, "a.md") == "text/markdown"


def test_the_machine_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REC-04: all machines agree: the system's own table of extensions is not asked."""
    import mimetypes

    monkeypatch.setattr(mimetypes, "types_map", {".bin": "application/x-of-this-machine"})
    mimetypes.add_type("application/x-of-this-machine", ".weights")
    try:
        assert told(b"\0\1", "a.weights") == "application/octet-stream"
    finally:
        mimetypes.init([])


def test_only_the_beginning_of_a_file_is_looked_at(
    holder: Holder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REC-04: what is looked at is the stored bytes, and no more than ``HEAD`` of them."""
    (tmp_path / "big").write_bytes(b"{" + b'"a":1,\n' * 200_000)
    seen: list[int] = []
    monkeypatch.setattr(
        "aexp.recording.files.media_type_of",
        lambda head, size, name: seen.extend((len(head), size)) or "text/plain",
    )
    holder.log_file("big", tmp_path / "big")
    assert seen == [HEAD, 1 + 7 * 200_000]
