"""Attaching and reading back (REC-04, SES-06, REG-02)."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import (
    CorruptDataError,
    NotFoundError,
    RunClosedError,
    StorageError,
    UsageError,
)
from aexp.model.oci import sha256_digest
from tests.recording.attachable import Holder


def test_bytes_go_to_the_registry_at_once(holder: Holder) -> None:
    """REG-02, REC-04: the payload is there before the run has ended, and comes back as it was."""
    holder.log_attachment("solver log", "text/x-log", "naïve\n".encode())
    holder.log_attachment("blob", "application/octet-stream", bytearray(b"\0\xff"))
    assert holder.attachment_names == ["solver log", "blob"]
    assert holder.attachment_media_type("solver log") == "text/x-log"
    assert holder.get_attachment("solver log") == "naïve\n"
    assert holder.get_attachment("blob") == holder.get_attachment_bytes("blob") == b"\0\xff"
    assert holder.attachments["blob"].size == 2
    assert holder.blobs() == {sha256_digest("naïve\n".encode()), sha256_digest(b"\0\xff")}


def test_a_name_is_used_once(holder: Holder, tmp_path: Path) -> None:
    """REC-04: the second is refused before any byte is written, however it is attached."""
    holder.log_json("data", {"a": 1})
    (tmp_path / "new.txt").write_text("new")
    before = holder.blobs()
    again: list[Callable[[], None]] = [
        lambda: holder.log_json("data", {"a": 2}),
        lambda: holder.log_attachment("data", "text/plain", b"other"),
        lambda: holder.log_file("data", tmp_path / "new.txt"),
    ]
    for attach in again:
        with pytest.raises(UsageError, match="an attachment 'data' already"):
            attach()
    assert holder.blobs() == before
    assert holder.get_attachment("data") == {"a": 1}


WRONG: list[tuple[Any, ...]] = [
    ("", "text/plain", b""),
    ("  ", "text/plain", b""),
    (None, "text/plain", b""),
    ("a\nb", "text/plain", b""),
    ("x" * 257, "text/plain", b""),
    ("calls/0", "text/plain", b""),
    ("a", "text", b""),
    ("a", "text/plain; charset=utf-8", b""),
    ("a", None, b""),
    ("a", "text/plain", "a string"),
    ("a", "text/plain", None),
    ("a", "text/plain", [1, 2]),
]


@pytest.mark.parametrize("arguments", WRONG, ids=[str(index) for index in range(len(WRONG))])
def test_what_is_refused(holder: Holder, arguments: tuple[Any, ...]) -> None:
    """REC-04: names and media types are checked, and nothing is written."""
    with pytest.raises(UsageError):
        holder.log_attachment(*arguments)
    assert not holder.registry.exists()
    assert holder.attachment_names == []


def test_text_for_bytes_says_what_to_do(holder: Holder) -> None:
    """REC-04: the usual mistake has a hint."""
    with pytest.raises(UsageError) as caught:
        holder.log_attachment("a", "text/plain", "text")  # type: ignore[arg-type]
    assert ".encode()" in str(caught.value.hint)


def test_a_closed_one_takes_nothing(holder: Holder, tmp_path: Path) -> None:
    """REC-01: refused before any byte is written, and before a call is made."""
    (tmp_path / "a.txt").write_text("a")
    holder.closed = True
    called: list[int] = []
    attempts: list[Callable[[], object]] = [
        lambda: holder.log_attachment("a", "text/plain", b""),
        lambda: holder.log_json("a", 1),
        lambda: holder.log_file("a", tmp_path / "a.txt"),
        lambda: holder.log_call(called.append, 1),
    ]
    for attempt in attempts:
        with pytest.raises(RunClosedError):
            attempt()
    assert called == []
    assert not holder.registry.exists()


# --- JSON ----------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]))
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), inner
    ),
    max_leaves=20,
)  # fmt: skip


@given(value=JSON)
def test_json_comes_back(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    """REC-04: what JSON can say comes back equal, and any JSON reader understands the bytes."""
    holder = Holder(tmp_path_factory.mktemp("json") / "registry")
    holder.log_json("value", value)
    assert holder.get_attachment("value") == value
    strict = json.loads(holder.get_attachment_bytes("value"), parse_constant=pytest.fail)
    assert strict == value


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (math.nan, "value is nan"),
        ({"losses": [0.5, {"last": -math.inf}]}, "value['losses'][1]['last'] is -inf"),
        ([1, (2, math.inf)], "value[1][1] is inf"),
    ],
)
def test_not_a_number_is_an_error_that_says_how(holder: Holder, value: object, where: str) -> None:
    """REC-04: standard JSON only; the message says where, the hint how to write it."""
    with pytest.raises(UsageError) as caught:
        holder.log_json("value", value)
    assert where in caught.value.message
    assert '"NaN"' in str(caught.value.hint)
    assert not holder.registry.exists()


def endless() -> list[Any]:
    """Return a list that holds itself."""
    result: list[Any] = []
    result.append(result)
    return result


def deep() -> list[Any]:
    """Return a list in a list in a list …"""
    result: list[Any] = []
    for _ in range(100_000):
        result = [result]
    return result


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": {1, 2}}, "value['a'] is a set"),
        ({(1, 2): 3}, "a key of value is a tuple"),
        ([object()], "value[0] is a object"),
        ({1: "a", "1": "b"}, "two keys"),
        ({True: "a", "true": "b"}, "two keys"),
        ("\ud800", "no Unicode"),
        (endless(), "contains itself"),
        (deep(), "nested too deeply"),
        (b"bytes", "value is a bytes"),
    ],
    ids=["set", "key", "object", "keys", "keys of bool", "surrogate", "endless", "deep", "bytes"],
)
def test_what_is_no_json(holder: Holder, value: object, said: str) -> None:
    """REC-04: a clear error for each, and nothing is written."""
    with pytest.raises(UsageError) as caught:
        holder.log_json("value", value)
    assert said in caught.value.message
    assert not holder.registry.exists()


# --- files ---------------------------------------------------------------------------------------


def test_a_file_is_copied_and_its_place_forgotten(holder: Holder, tmp_path: Path) -> None:
    """REC-04: the base name is stored, the folder nowhere; a later change changes nothing."""
    source = tmp_path / "secret project" / "table one.csv"
    source.parent.mkdir()
    source.write_text("a,b\n1,2\n")
    holder.log_file("table", source)
    holder.log_file("named", str(source), filename="other.csv", media_type="text/x-mine")
    source.write_text("gone")
    assert holder.get_attachment("table") == "a,b\n1,2\n"
    assert holder.attachment_media_type("table") == "text/csv"
    table, named = holder.attachments["table"], holder.attachments["named"]
    assert (table.filename, named.filename) == ("table one.csv", "other.csv")
    assert named.media_type == "text/x-mine"
    assert "secret project" not in json.dumps([item.to_json() for item in holder.kept.values()])


def test_progress(holder: Holder, tmp_path: Path) -> None:
    """REC-04: long copies tell how far they are."""
    (tmp_path / "big").write_bytes(bytes(5 << 20))
    there: list[int] = []
    back: list[int] = []
    holder.log_file("big", tmp_path / "big", progress=there.append)
    holder.write_attachment("big", tmp_path / "copy", progress=back.append)
    assert sum(there) == sum(back) == 5 << 20
    assert len(there) > 1


def test_a_link_to_a_file_is_followed(holder: Holder, tmp_path: Path) -> None:
    """REC-04: ``latest -> step-10.json``: the content is the file's, the name the link's."""
    (tmp_path / "step-10.json").write_text("[10]")
    (tmp_path / "latest.json").symlink_to(tmp_path / "step-10.json")
    holder.log_file("latest", tmp_path / "latest.json")
    assert holder.get_attachment("latest") == [10]
    assert holder.attachments["latest"].filename == "latest.json"


def test_what_is_no_file(holder: Holder, tmp_path: Path) -> None:
    """REC-04: each is one clear error; a pipe is not waited for; nothing is written."""
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    cases: list[tuple[Path, type[Exception], str]] = [
        (tmp_path / "missing", NotFoundError, "does not exist"),
        (tmp_path / "dangling", NotFoundError, "a link to a file that does not exist"),
        (tmp_path / "dangling" / "below", NotFoundError, "does not exist"),
        (tmp_path, UsageError, "is a folder"),
        (tmp_path / "pipe", UsageError, "no regular file"),
        (Path("nul\0byte"), StorageError, "null"),
    ]
    for path, kind, said in cases:
        with pytest.raises(kind, match=said):
            holder.log_file("a", path)
    for filename in ("a/b", "..", "", "a\\b", "x\n"):
        with pytest.raises(UsageError, match="cannot name a file"):
            holder.log_file("a", tmp_path / "missing", filename=filename)
    assert not holder.registry.exists()


def test_a_file_that_may_not_be_read(
    holder: Holder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REC-04: one clear error, nothing written. (The tests may run as root, who may read all.)"""
    path = tmp_path / "private"
    path.write_text("private")
    path.chmod(0)
    if os.geteuid() == 0:
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StorageError, match=r"cannot read .*Permission denied"):
        holder.log_file("a", path)
    assert not holder.registry.exists()


def test_a_file_that_changes_while_it_is_read(holder: Holder, tmp_path: Path) -> None:
    """REC-04: the digest and the size are those of what was stored, whatever that is."""
    path = tmp_path / "growing.bin"
    path.write_bytes(bytes(1 << 20))
    stop = threading.Event()

    def write() -> None:
        with path.open("r+b", buffering=0) as stream:
            while not stop.is_set():
                stream.seek(0)
                stream.write(os.urandom(4096) * 64)
                stream.seek(0, os.SEEK_END)
                stream.write(b"more")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            holder.log_file(f"copy {number}", path)
    finally:
        stop.set()
        writer.join()
    for number in range(5):
        data = holder.get_attachment_bytes(f"copy {number}")
        known = holder.attachments[f"copy {number}"]
        assert (known.size, known.digest) == (len(data), sha256_digest(data))


# --- reading -------------------------------------------------------------------------------------


def test_what_is_not_there(holder: Holder) -> None:
    """SES-06: the error names what there is."""
    for read in (holder.get_attachment, holder.attachment_media_type, holder.get_attachment_bytes):
        with pytest.raises(NotFoundError) as caught:
            read("a")
        assert caught.value.hint == "nothing is attached here"
    holder.log_json("table", 1)
    with pytest.raises(NotFoundError) as caught:
        holder.write_attachment("a", "anywhere")
    assert "'table'" in str(caught.value.hint)


def test_bytes_that_are_not_what_they_are_called(holder: Holder) -> None:
    """SES-06: one error that says how to get at the bytes all the same."""
    wrong = {
        "application/json": b"{",
        "application/vnd.mine+json": b"\xff",
        "text/plain": b"\xff\xfe\xfd",
        "application/jsonl": b"1\n{\n",
    }
    for number, (media_type, data) in enumerate(wrong.items()):
        holder.log_attachment(str(number), media_type, data)
        with pytest.raises(CorruptDataError, match="is not the") as caught:
            holder.get_attachment(str(number))
        assert "get_attachment_bytes" in str(caught.value.hint)
        assert holder.get_attachment_bytes(str(number)) == data


def test_decoding_by_media_type(holder: Holder) -> None:
    """SES-06: JSON of every kind, JSON lines, text in several encodings, the rest as bytes."""
    cases: list[tuple[str, bytes, object]] = [
        ("application/geo+json", b'{"a": [1]}', {"a": [1]}),
        ("application/JSON", b"[NaN]", [math.nan]),
        ("application/jsonl", b'{"a":1}\n\n[2]\n', [{"a": 1}, [2]]),
        ("application/vnd.aexp.metrics.v1+jsonl", b"[1]\n", [[1]]),
        ("text/csv", "ä,b\n".encode(), "ä,b\n"),
        ("text/plain", "ä".encode("utf-16"), "ä"),
        ("text/plain", "ä".encode("utf-8-sig"), "ä"),
        ("image/png", b"\x89PNG", b"\x89PNG"),
        ("application/x-unheard-of", b"\x80\x04", b"\x80\x04"),
    ]
    for number, (media_type, data, expected) in enumerate(cases):
        holder.log_attachment(str(number), media_type, data)
        assert repr(holder.get_attachment(str(number))) == repr(expected)


def test_writing_to_a_file(holder: Holder, tmp_path: Path) -> None:
    """SES-06: to a path, or into a folder under its own name; nothing is replaced unasked."""
    (tmp_path / "in.csv").write_text("a,b\n")
    holder.log_file("table", tmp_path / "in.csv")
    out = tmp_path / "out"
    out.mkdir()
    assert holder.write_attachment("table", out) == out / "in.csv"
    with pytest.raises(UsageError, match="exists"):
        holder.write_attachment("table", out)
    target = out / "my.csv"
    target.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        holder.write_attachment("table", target)
    assert target.read_text() == "mine"
    assert holder.write_attachment("table", str(target), overwrite=True) == target
    assert target.read_text() == (out / "in.csv").read_text() == "a,b\n"
    with pytest.raises(NotFoundError, match="folder"):
        holder.write_attachment("table", tmp_path / "missing" / "a.csv")


def test_writing_never_leaves_the_folder_or_follows_a_link(holder: Holder, tmp_path: Path) -> None:
    """Traps 18 and 49: whatever it is called, and whatever stands there."""
    out, precious = tmp_path / "out", tmp_path / "precious.txt"
    out.mkdir()
    precious.write_text("precious")
    for name in ("../../evil", "..", "a/..", "/etc/evil", "x\\..\\evil"):
        holder.log_attachment(name, "text/plain", name.encode())
        written = holder.write_attachment(name, out, overwrite=True)
        assert written.parent == out
        assert written.read_text() == name
    (out / "link.txt").symlink_to(precious)
    holder.log_attachment("link.txt", "text/plain", b"new")
    with pytest.raises(UsageError, match="exists"):
        holder.write_attachment("link.txt", out)
    assert holder.write_attachment("link.txt", out, overwrite=True).read_text() == "new"
    assert precious.read_text() == "precious"


def test_many_threads(holder: Holder) -> None:
    """REC-01: of several that use one name exactly one succeeds; all others succeed."""
    barrier = threading.Barrier(8)

    def attach(number: int) -> str | None:
        barrier.wait()
        holder.log_json(f"own {number}", number)
        try:
            holder.log_json("one", number)
        except UsageError:
            return None
        return "won"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(attach, range(8)))
    assert results.count("won") == 1
    assert sorted(holder.attachment_names) == sorted(["one", *(f"own {n}" for n in range(8))])


def test_a_name_whose_bytes_are_on_their_way(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REC-01: a name is taken from the moment that somebody begins to attach under it."""
    put, refused = holder.registry.put, []

    def slow(data: bytes) -> Any:
        if not refused:
            with pytest.raises(UsageError, match="already") as caught:
                holder.log_json("one", "meanwhile")
            refused.append(caught.value)
        return put(data)

    monkeypatch.setattr(holder.registry, "put", slow)
    holder.log_json("one", "first")
    assert len(refused) == 1
    assert holder.get_attachment("one") == "first"


def test_a_name_is_free_again_after_a_failure(holder: Holder, tmp_path: Path) -> None:
    """REC-04: what was refused holds no name."""
    with pytest.raises(UsageError):
        holder.log_json("a", {1, 2})
    with pytest.raises(NotFoundError):
        holder.log_file("a", tmp_path / "missing")
    holder.log_json("a", 1)
    assert holder.get_attachment("a") == 1
