"""Codecs, arrays, tables and figures (REC-04, REC-05)."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aexp.errors import CorruptDataError, MissingExtraError, UsageError
from aexp.recording import codecs
from aexp.recording.codecs import ArrayCodec, Codec, FrameCodec, JsonCodec, TextCodec
from tests.recording.attachable import Holder
from tests.recording.optional import need


class Point:
    """A user's own type."""

    def __init__(self, x: int) -> None:
        self.x = x


class PointCodec:
    """A codec as the seeds describe it: a class with static methods."""

    media_type = "application/x-point"

    @staticmethod
    def encode(value: Point) -> bytes:
        """Return its digits."""
        return str(value.x).encode()

    @staticmethod
    def decode(data: bytes) -> Point:
        """Return the point."""
        return Point(int(data))


class ClassPointCodec(PointCodec):
    """The same with class methods."""

    @classmethod
    def encode(cls, value: Point) -> bytes:  # type: ignore[override]
        """Return its digits."""
        return str(value.x).encode()


class ObjectPointCodec:
    """The same as an object, or a class that is made one of."""

    media_type = "application/x-point"

    def encode(self, value: Point) -> bytes:
        """Return its digits."""
        return str(value.x).encode()

    def decode(self, data: bytes) -> Point:
        """Return the point."""
        return Point(int(data))


@pytest.mark.parametrize(
    "codec", [PointCodec, ClassPointCodec, ObjectPointCodec, ObjectPointCodec(), PointCodec()]
)
def test_a_codec_of_ones_own(holder: Holder, codec: Any) -> None:
    """REC-05: a class (or an object) with media_type, encode and decode is all it takes."""
    holder.log_with_codec(codec, "point", Point(7))
    assert holder.attachment_media_type("point") == "application/x-point"
    assert holder.get_attachment("point") == b"7", "nobody is asked whom nobody installed"
    point = holder.get_with_codec(codec, "point")
    assert isinstance(point, Point)
    assert point.x == 7


def test_what_is_no_codec(holder: Holder) -> None:
    """REC-05: told before anything is written."""

    class NoType:
        encode = decode = staticmethod(bytes)

    class Needy(ObjectPointCodec):
        def __init__(self, unit: str) -> None:
            self.unit = unit

    class NoBytes(PointCodec):
        encode = staticmethod(lambda value: "text")  # type: ignore[assignment]

    for codec, said in [
        (object(), "it has no encode"),
        (NoType, "no media type"),
        (Needy, "Needy needs arguments"),
        (NoBytes, "returned a str, not bytes"),
    ]:
        with pytest.raises(UsageError, match=said):
            holder.log_with_codec(codec, "a", Point(1))
    assert not holder.registry.exists()


def test_reading_with_a_codec_of_something_else(holder: Holder) -> None:
    """REC-05: the media types must agree, and what it cannot read is one clear error."""
    holder.log_json("json", 1)
    holder.log_attachment("point", "application/x-point", b"not a number")
    with pytest.raises(UsageError, match=r"application/json.*application/x-point"):
        holder.get_with_codec(PointCodec, "json")
    with pytest.raises(CorruptDataError, match="PointCodec cannot read it: ValueError"):
        holder.get_with_codec(PointCodec, "point")


# --- codecs of other packages --------------------------------------------------------------------

PLUGIN = """
class Point:
    def __init__(self, x): self.x = x

class PointCodec:
    media_type = "application/x-plugin-point"
    accepts = staticmethod(lambda value: isinstance(value, Point))
    encode = staticmethod(lambda value: str(value.x).encode())
    decode = staticmethod(lambda data: Point(int(data)))
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An installed package that brings a codec."""
    site = tmp_path / "site"
    info = site / "points-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "points_plugin.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: points\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[aexp.codecs]\napplication/x-plugin-point = points_plugin:PointCodec\n"
    )
    monkeypatch.syspath_prepend(str(site))
    codecs.forget_installed()
    yield info
    codecs.forget_installed()
    sys.modules.pop("points_plugin", None)


def test_an_installed_codec_is_found(holder: Holder, plugin: Path) -> None:
    """REC-05: through the entry point group ``aexp.codecs``, by media type and by value."""
    holder.log_attachment("stored", "application/x-plugin-point", b"3")
    point: Any = holder.get_attachment("stored")
    assert (type(point).__module__, point.x) == ("points_plugin", 3)
    holder.log_call(lambda value: type(value)(value.x + 1), point)
    assert holder.calls[0].input.x == 3  # type: ignore[attr-defined]
    assert holder.calls[0].output.x == 4  # type: ignore[attr-defined]


def test_a_codec_that_cannot_be_loaded(holder: Holder, plugin: Path) -> None:
    """REC-05: the error names it, and only what needs it fails."""
    (plugin / "entry_points.txt").write_text(
        "[aexp.codecs]\napplication/x-plugin-point = points_plugin:Missing\n"
    )
    holder.log_attachment("stored", "application/x-plugin-point", b"3")
    holder.log_json("json", 1)
    assert holder.get_attachment("json") == 1
    assert holder.log_call(sum, [1, 2]) == 3
    with pytest.raises(UsageError, match="points_plugin:Missing"):
        holder.get_attachment("stored")


# --- nothing is unpickled, nothing is imported ---------------------------------------------------


class Trap:
    """An object that does harm when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_reading_never_unpickles(holder: Holder, tmp_path: Path) -> None:
    """REC-05: a pickle in an ``.npy``, an ``.npz`` or on its own does nothing when it is read."""
    numpy = need("numpy")
    sprung = tmp_path / "sprung"
    array = numpy.array([Trap(sprung)], dtype=object)
    npy, npz = io.BytesIO(), io.BytesIO()
    numpy.save(npy, array, allow_pickle=True)
    numpy.savez(npz, a=array)
    holder.log_attachment("npy", "application/x-npy", npy.getvalue())
    holder.log_attachment("npz", "application/x-npz", npz.getvalue())
    holder.log_attachment("pkl", "application/x-pickle", pickle.dumps(Trap(sprung)))
    holder.log_attachment("npy that is a pickle", "application/x-npy", pickle.dumps(Trap(sprung)))
    for name in ("npy", "npz", "npy that is a pickle"):
        with pytest.raises(CorruptDataError):
            holder.get_attachment(name)
    assert isinstance(holder.get_attachment("pkl"), bytes)
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists(), "the trap works"


def test_reading_imports_nothing_that_the_data_names(
    holder: Holder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REC-05: neither by its codec's name, nor by its media type, nor by what stands in it."""
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    monkeypatch.syspath_prepend(str(tmp_path))
    evil = {"dev.aexp.codec": "evil.Codec"}
    holder._attach("a", "application/x-evil", lambda: b"evil", annotations=evil)
    holder._attach("b", "application/json", lambda: b'{"py/object": "evil.C"}', annotations=evil)
    assert holder.get_attachment("a") == b"evil"
    assert holder.get_attachment("b") == {"py/object": "evil.C"}
    assert "evil" not in sys.modules
    assert not (tmp_path / "sprung").exists()


def test_objects_in_an_array_are_refused(holder: Holder) -> None:
    """REC-05: nothing is pickled either."""
    numpy = need("numpy")
    with pytest.raises(UsageError, match="pickled"):
        holder.log_with_codec(ArrayCodec, "a", numpy.array([object()]))
    assert not holder.registry.exists()


# --- numpy and pandas ----------------------------------------------------------------------------


def test_arrays_come_back(holder: Holder, tmp_path: Path) -> None:
    """REC-04, SES-06: ``.npy`` and ``.npz`` give arrays, with type, shape, NaN and all."""
    numpy = need("numpy")
    one = numpy.array([[1.5, numpy.nan], [numpy.inf, -0.0]], dtype="float32")
    numpy.savez(tmp_path / "two.npz", one=one, names=numpy.array(["a", "b"]))
    numpy.save(tmp_path / "empty.npy", numpy.zeros((0, 3), "int8"))
    holder.log_with_codec(ArrayCodec, "one", one)
    holder.log_file("two", tmp_path / "two.npz")
    holder.log_file("empty", tmp_path / "empty.npy")
    back: Any = holder.get_attachment("one")
    assert back.dtype == one.dtype
    numpy.testing.assert_array_equal(back, one)
    both: Any = holder.get_attachment("two")
    assert list(both) == ["one", "names"]
    numpy.testing.assert_array_equal(both["one"], one)
    assert both["names"].tolist() == ["a", "b"]
    empty: Any = holder.get_attachment("empty")
    assert (empty.shape, str(empty.dtype)) == ((0, 3), "int8")
    assert holder.get_with_codec(ArrayCodec, "one").tobytes() == one.tobytes()  # type: ignore[attr-defined]


def test_numpy_in_json(holder: Holder) -> None:
    """REC-04: scalars and arrays become plain numbers and lists; NaN in them is told too."""
    numpy = need("numpy")
    holder.log_json("a", {"x": numpy.float32(0.5), "y": numpy.arange(3), "z": numpy.bool_(True)})
    assert holder.get_attachment("a") == {"x": 0.5, "y": [0, 1, 2], "z": True}
    with pytest.raises(UsageError, match=r"value\['x'\]\[1\] is nan"):
        holder.log_json("b", {"x": numpy.array([0, numpy.nan])})


def test_a_table_comes_back(holder: Holder) -> None:
    """REC-04: types, index, missing values and odd names; and equal tables are one blob."""
    pandas = need("pandas")
    need("pyarrow")
    frame = pandas.DataFrame(
        {
            "text": ["ä", None, "c"],
            "number": [1.5, float("nan"), float("inf")],
            "when": pandas.to_datetime(["2026-01-01", None, "2026-01-03"]),
            "kind": pandas.Categorical(["a", "b", "a"]),
        },
        index=pandas.Index([10, 20, 30], name="step"),
    )
    holder.log_table("table", frame)
    holder.log_table("again.parquet", frame.copy())
    pandas.testing.assert_frame_equal(holder.get_attachment("table"), frame)
    assert holder.attachment_media_type("table") == "application/vnd.apache.parquet"
    assert holder.attachments["table"].filename == "table.parquet"
    assert holder.attachments["again.parquet"].filename == "again.parquet"
    assert len(holder.blobs()) == 1


def test_what_is_no_table(holder: Holder) -> None:
    """REC-04: a mixture of types, doubled columns, and what is no table at all: one line each."""
    pandas = need("pandas")
    need("pyarrow")
    for table, said in [
        (pandas.DataFrame({"mixed": [1, "a", object()]}), "mixed"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "no Parquet form"),
        ([{"a": 1}], "a table is needed, not a list"),
    ]:
        with pytest.raises(UsageError, match=said) as caught:
            holder.log_table("table", table)
        assert "\n" not in caught.value.message
    assert not holder.registry.exists()
    holder.log_attachment("torn", "application/vnd.apache.parquet", b"PAR1 and no more")
    with pytest.raises(CorruptDataError, match="no Parquet file"):
        holder.get_attachment("torn")


def test_other_tables(holder: Holder) -> None:
    """REC-04: a table of pyarrow itself is one too."""
    arrow = need("pyarrow")
    holder.log_table("table", arrow.table({"a": [1, 2]}))
    assert holder.get_attachment("table").to_dict("list") == {"a": [1, 2]}  # type: ignore[attr-defined]


def test_without_the_extra(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """REC-04: the error names the command that installs what is missing; the bytes are there."""
    pandas = need("pandas")
    frame = pandas.DataFrame({"a": [1]})
    holder.log_table("table", frame)
    holder.log_attachment("instance", "application/org.ommx.v1.instance", b"")
    holder.log_attachment("array", "application/x-npy", b"")
    for module, action in [
        ("pyarrow", lambda: holder.log_table("other", frame)),
        ("pyarrow.parquet", lambda: holder.get_attachment("table")),
        ("pandas", lambda: holder.get_attachment("table")),
        ("numpy", lambda: holder.get_attachment("array")),
        ("ommx", lambda: holder.get_attachment("instance")),
        ("ommx", lambda: holder.log_instance("other", object())),
    ]:
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(MissingExtraError) as caught:
                action()
        extra = "ommx" if module == "ommx" else "frame"
        assert caught.value.hint == f'pip install "aexp[{extra}]"'
    assert holder.get_attachment_bytes("table").startswith(b"PAR1")


# --- figures -------------------------------------------------------------------------------------


def plot(factor: float = 1.0) -> Any:
    """Return a figure."""
    need("matplotlib")
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([factor * x for x in range(5)])
    return figure


@pytest.mark.parametrize(
    ("format", "media_type"),
    [("png", "image/png"), ("svg", "image/svg+xml"), ("pdf", "application/pdf")],
)
def test_a_figure_is_a_picture(holder: Holder, format: str, media_type: str) -> None:
    """REC-04: PNG unless asked otherwise; the same figure gives the same bytes."""
    holder.log_figure("curve", plot(), format=format)
    holder.log_figure("same", plot(), format=format)
    holder.log_figure("other", plot(-1.0), format=format)
    assert holder.attachment_media_type("curve") == media_type
    assert holder.attachments["curve"].filename == f"curve.{format}"
    data = holder.get_attachment_bytes("curve")
    assert data == holder.get_attachment_bytes("same")
    assert data != holder.get_attachment_bytes("other")
    assert holder.get_attachment("curve") == data


def test_what_can_be_drawn(holder: Holder) -> None:
    """REC-04: an axes, pyplot, and options of savefig; PNG by default."""
    figure = plot()
    holder.log_figure("axes", figure.axes[0])
    holder.log_figure("large", figure, dpi=200, metadata={"Title": "mine"})
    small, large = holder.get_attachment_bytes("axes"), holder.get_attachment_bytes("large")
    assert small.startswith(b"\x89PNG")
    assert len(large) > len(small)
    assert b"mine" in large
    with pytest.raises(UsageError, match="no savefig"):
        holder.log_figure("a", object())
    with pytest.raises(UsageError, match="no format of figures"):
        holder.log_figure("a", figure, format="docx")
    assert holder.attachment_names == ["axes", "large"]


def test_a_figure_of_another_library(holder: Holder) -> None:
    """REC-04: anything with ``savefig`` will do; it is asked for no more than the format."""

    class Drawing:
        def savefig(self, stream: io.BytesIO, format: str) -> None:
            stream.write(b"a picture as " + format.encode())

    class Empty:
        def savefig(self, stream: io.BytesIO, format: str) -> None:
            pass

    holder.log_figure("drawing", Drawing())
    assert holder.get_attachment("drawing") == b"a picture as png"
    with pytest.raises(UsageError, match="wrote nothing"):
        holder.log_figure("empty", Empty())


def test_pyplot_itself(holder: Holder) -> None:
    """REC-04: the current figure; the date is left out here too."""
    need("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    try:
        plt.plot([1, 2])
        holder.log_figure("current", plt, format="svg")
        holder.log_figure("again", plt, format="svg")
    finally:
        plt.close("all")
    assert len(holder.blobs()) == 1
    assert b"<dc:date>" not in holder.get_attachment_bytes("current")


# --- cost ----------------------------------------------------------------------------------------


def test_the_built_in_codecs_are_codecs() -> None:
    """REC-05: what aexp brings fits its own protocol."""
    for codec in (JsonCodec, TextCodec, ArrayCodec, FrameCodec, codecs.BytesCodec):
        assert isinstance(codec(), Codec)
        assert codecs.usable(codec).media_type == codec.media_type


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """Cost: attaching and reading plain things imports none of the optional packages."""
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    code = f"""
        import sys, pathlib
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from aexp.recording import attaching, calls, environment
        class Kept(attaching.Attaching):
            def __init__(self):
                from aexp.registry import Registry
                self.kept, self.registry = {{}}, Registry(pathlib.Path("registry"))
            def _attachments(self): return self.kept
            def _registry(self): return self.registry
            def _record_attachment(self, a): self.kept[a.name] = a
            def _check_open(self): pass
        kept = Kept()
        kept.log_json("a", {{"a": [1, 2.5]}})
        kept.log_file("b", "a.csv")
        kept.log_call(sorted, [2, 1], reverse=True)
        print([kept.get_attachment("a"), kept.get_attachment("b"), kept.calls[0].output])
        heavy = "numpy pandas pyarrow matplotlib ommx signac typer".split()
        print([name for name in heavy if name in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["[{'a': [1, 2.5]}, 'a,b\\n1,2\\n', [2, 1]]", "[]"]
