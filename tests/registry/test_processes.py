"""Many processes in one registry, and processes that die in it (REG-04, REG-05)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aexp.errors import RefConflictError
from aexp.model.oci import sha256_digest
from aexp.registry import Registry, SetRef
from aexp.registry.projection import listed
from aexp.registry.verify import verify
from tests.registry.holding import held, leftovers, put_artifact
from tests.support.race import run_together

PROCESSES = 8
_PUT = """
import sys
from pathlib import Path
from aexp.registry import Registry
registry = Registry(Path(sys.argv[1]))
registry.initialise()
print("ready", flush=True)
blob = registry.put_file(Path(sys.argv[2]))
print(blob.digest, flush=True)
"""


def _record(root: str, number: int) -> list[str]:
    """Put contents of one's own and contents that all have, and publish a ref for each."""
    registry = Registry(Path(root))
    for step in range(4):
        registry.put_many([b"shared %d" % i for i in range(20)])
        large = random.Random(step).randbytes(3_000_000)  # alike in every process
        registry.put(large)
        put_artifact(
            registry,
            large,
            b"shared %d" % step,
            b"own %d %d" % (number, step),
            name=f"E{number}-{step}",
        )
    return [ref.name for ref in registry.refs(kind="artifact")]


def test_eight_writers_lose_nothing(tmp_path: Path) -> None:
    """REG-05: equal and different blobs and refs from 8 processes at once, in a new registry."""
    root = tmp_path / "registry"
    run_together(_record, [(str(root), number) for number in range(PROCESSES)], timeout=120)
    registry = Registry(root)
    wanted = {f"E{number}-{step}" for number in range(PROCESSES) for step in range(4)}
    assert {ref.name for ref in registry.refs()} == wanted
    assert len(listed(root / "index.json")) == len(wanted)
    contents = set(held(root).values())
    assert {b"own %d %d" % (n, s) for n in range(PROCESSES) for s in range(4)} <= contents
    assert {b"shared %d" % i for i in range(20)} <= contents
    assert leftovers(root) == []
    report = verify(registry)
    assert (report.problems, report.refs) == ((), len(wanted))


def test_one_of_many_gets_a_name(registry: Registry) -> None:
    """REG-03: of processes that create one ref at once all are refused but for one."""
    registry.initialise()
    made = run_together(_create_once, [(str(registry.root), i) for i in range(PROCESSES)])
    assert sorted(made) == [False] * (PROCESSES - 1) + [True]


def _create_once(root: str, number: int) -> bool:
    registry = Registry(Path(root))
    digest = put_artifact(registry, b"%d" % number).digest
    try:
        registry.publish(SetRef("name", "artifact", digest, expect=None))
    except RefConflictError:
        return False
    return True


def test_a_put_that_is_killed(registry: Registry, tmp_path: Path) -> None:
    """REG-04: kill -9 in the middle of a large copy leaves no torn blob, and costs no other."""
    source = tmp_path / "large"
    data = random.Random(1).randbytes(1 << 20) * 100
    source.write_bytes(data)
    kept = registry.put(b"kept")
    dice = random.Random(2)
    killed = 0
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", _PUT, str(registry.root), str(source)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(dice.uniform(0.0, 0.12))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        blobs = held(registry.root)
        assert kept.digest in blobs
        assert set(blobs) <= {kept.digest, sha256_digest(data)}
        killed += sha256_digest(data) not in blobs
        if sha256_digest(data) in blobs:
            registry.path(sha256_digest(data)).unlink()
    assert killed >= 1
    assert all(name.endswith(".aexp-tmp") for name in leftovers(registry.root))
    assert registry.read(registry.put_file(source).digest) == data


def _write_on(root: str, number: int, seconds: float) -> int:
    registry = Registry(Path(root))
    done = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        registry.put(b"%d %d" % (number, done))
        done += 1
    return done


def _sweep(root: str, number: int, seconds: float) -> int:
    """Look twice under the lock alone: nothing may have changed in between."""
    registry = Registry(Path(root))
    seen = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with registry.sweeping():
            before = sorted(os.listdir(root + "/blobs/sha256"))
            time.sleep(0.005)
            assert sorted(os.listdir(root + "/blobs/sha256")) == before
        seen += 1
        time.sleep(0.01)
    return seen


def _either(root: str, number: int, seconds: float) -> int:
    return (_sweep if number == 0 else _write_on)(root, number, seconds)


def test_nothing_is_published_during_a_sweep(registry: Registry) -> None:
    """GC-03: while one process holds the registry alone, no blob gets its name."""
    registry.initialise()
    done = run_together(_either, [(str(registry.root), n, 1.5) for n in range(4)])
    assert all(count > 3 for count in done)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_registry_object_in_a_child(registry: Registry, start: str) -> None:
    """REG-05: a registry can be used on in worker processes, however they are started."""
    import multiprocessing

    registry.put(b"parent")
    context = multiprocessing.get_context(start)
    worker = context.Process(target=_work, args=(registry.root,))
    if start == "fork":
        child = os.fork()
        if child == 0:
            put_artifact(registry, b"child", name="child")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    else:
        worker.start()
        worker.join(60)
        assert worker.exitcode == 0
    put_artifact(registry, b"parent again", name="parent")
    assert [ref.name for ref in registry.refs()] == ["child", "parent"]


def _work(root: Path) -> None:
    put_artifact(Registry(root), b"child", name="child")
