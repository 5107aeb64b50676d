"""Workers that are forks: a process of their own as much as a new Python is (SWP-13)."""

from __future__ import annotations

import itertools
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from aexp.sweep import Sweep
from aexp.sweep.backends import forking
from aexp.sweep.backends.joblib import LocalJoblibPool
from aexp.sweep.backends.local import LocalProcessPool
from aexp.sweep.outcome import Outcome
from tests.support.machines import Machine
from tests.support.slurm import wait_until
from tests.sweep import held
from tests.sweep.pools import is_alive, outcomes, told

pytestmark = pytest.mark.skipif(not forking.can_fork(), reason="workers are forked on Linux only")

ABOUT = """\
import atexit, json, os, signal, sys, threading, time
from pathlib import Path
import state

def note(n, **facts):
    path = Path(__file__).parent / f"about-{n}.json"
    path.write_text(json.dumps(facts))

def about(n, turn):
    state.COUNT += 1
    note(
        n, count=state.COUNT, pid=os.getpid(), parent=os.getppid(), session=os.getsid(0),
        group=os.getpgrp(), cwd=os.getcwd(), environ=dict(os.environ), argv=sys.argv[1:],
        path=sys.path, modules=sorted(sys.modules), threads=threading.active_count(),
        stdin=os.readlink("/proc/self/fd/0"), fds=sorted(os.listdir("/proc/self/fd")),
        handlers=[str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGHUP)],
    )

def ending(n, how):
    folder = Path(__file__).parent
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "server":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    if how == "atexit":
        atexit.register((folder / f"exit-{n}").touch)
    if how == "thread":
        def late():
            time.sleep(0.3)
            (folder / f"exit-{n}").touch()
        threading.Thread(target=late).start()
    if how == "parent":
        (folder / f"exit-{n}").write_text(f"{os.getpid()} {os.getppid()}")
"""


@pytest.fixture
def work(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A repository with the work of the points in it, as the working directory."""
    installed_repo.write("work.py", ABOUT)
    installed_repo.write("state.py", "COUNT = 0\n")
    with (installed_repo / ".gitignore").open("a") as stream:
        stream.write("about-*\nexit-*\n")
    installed_repo.commit_all("Work")
    monkeypatch.chdir(installed_repo.path)
    return installed_repo


_turn = itertools.count()


def about(repo: Machine, pool: Any, count: int = 2) -> list[dict[str, Any]]:
    """Return what points find around them."""
    spec = {
        "callable": "work:about",
        "parameters": {"grid": {"n": list(range(count))}},
        "fixed": {"turn": next(_turn)},  # each time other runs
    }
    sweep = Sweep(spec, backend=pool).run()
    assert [entry.status for entry in sweep.manifest.entries] == ["ok"] * count
    return [json.loads((repo / f"about-{n}.json").read_bytes()) for n in range(count)]


def test_a_fork_finds_what_a_new_process_finds(
    work: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SWP-13: environment, working folder, arguments, session, input, signals: as before."""
    with LocalProcessPool(workers=1) as pool:
        forked = about(work, pool)
    monkeypatch.setattr(forking, "can_fork", lambda: False)
    with LocalProcessPool(workers=1) as pool:
        spawned = about(work, pool)
    for ours, theirs in zip(forked, spawned, strict=True):
        assert ours["session"] == ours["group"] == ours["pid"]
        for name in ("cwd", "path", "threads", "stdin", "handlers", "count"):
            assert ours[name] == theirs[name], name
        names = {"AEXP_SWEEP_OUT", "AEXP_ATTEMPT_ID", "AEXP_JOB_ID", "AEXP_JOB_WORKSPACE"}
        assert {k: v for k, v in ours["environ"].items() if k not in names} == {
            k: v for k, v in theirs["environ"].items() if k not in names
        }
        assert len(ours["fds"]) <= len(theirs["fds"])
        assert [len(ours["argv"]), ours["argv"][1:3]] == [4, theirs["argv"][1:3]]
        # What is there already is aexp's and Python's own, and nothing that holds randomness.
        more = {name.partition(".")[0] for name in set(ours["modules"]) - set(theirs["modules"])}
        assert not more & {"numpy", "scipy", "pandas", "work", "state", "multiprocessing"}
    parents = {each["parent"] for each in forked}
    assert len(parents) == 1 and os.getpid() not in parents
    assert {each["parent"] for each in spawned} == {os.getpid()}
    assert not is_alive(parents.pop()), "the server has ended with its pool"


def test_nothing_is_imported_again(work: Machine) -> None:
    """SWP-13: all that a point needs of aexp is there when it begins."""
    probe = (
        "import sys\nBEFORE = set(sys.modules)\n"
        "import json\nfrom pathlib import Path\n"
        "def probe(n):\n"
        "    import aexp\n"
        "    aexp.current_run().log_metric('x', 1.0)\n"
        "    from aexp.sweep import output_folder\n"
        "    (output_folder() / 'x').write_text('x')\n"
        "    import atexit\n"
        "    def tell():\n"
        "        late = sorted(m for m in set(sys.modules) - BEFORE if m.startswith('aexp'))\n"
        "        (Path(__file__).parent / 'about-late').write_text(json.dumps(late))\n"
        "    atexit.register(tell)\n"
    )
    work.write("probe.py", probe)
    work.commit_all("Probe")
    spec = {"callable": "probe:probe", "parameters": {"grid": {"n": [1]}}}
    with LocalProcessPool(workers=1) as pool:
        (entry,) = Sweep(spec, backend=pool).run().manifest.entries
    assert entry.status == "ok"
    late = json.loads((work / "about-late").read_bytes())
    assert late == [], " ".join(late)


def test_another_environment_gets_another_server(
    work: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SWP-13: what the driver's environment is when a point begins, the point finds."""
    with LocalProcessPool(workers=1) as pool:
        (first,) = about(work, pool, 1)
        monkeypatch.setenv("COLOUR", "green")
        (second,) = about(work, pool, 1)
    assert "COLOUR" not in first["environ"] and second["environ"]["COLOUR"] == "green"
    assert first["parent"] != second["parent"]
    assert not is_alive(first["parent"]) and not is_alive(second["parent"])


def endings(repo: Machine, pool: Any, *how: str) -> list[Outcome]:
    """Return how points ended that were told how."""
    rows = [{"n": n, "how": each} for n, each in enumerate(how)]
    sweep = Sweep({"callable": "work:ending", "parameters": {"explicit": rows}}).plan()
    tasks = [forking.Task(sweep.folder, n, 1, root=sweep.layout.root) for n in range(len(rows))]
    return outcomes([pool.submit(task) for task in tasks])


@pytest.mark.parametrize("kind", [LocalProcessPool, LocalJoblibPool])
def test_a_server_goes_on_after_a_killed_worker(work: Machine, kind: Any) -> None:
    """Trap 62: the next point is a fork of the same server."""
    with kind(workers=1) as pool:
        ended = endings(work, pool, "parent", "die", "parent")
    assert [told(each) for each in ended] == [("ok", ""), ("failed", "Signal"), ("ok", "")]
    before, after = ((work / f"exit-{n}").read_text().split() for n in (0, 2))
    assert before[1] == after[1] and before[0] != after[0]


def test_a_server_that_is_killed_costs_one_point(work: Machine) -> None:
    """Trap 62, trap 66: its worker ends with it, the others go on, with a new server."""
    with LocalProcessPool(workers=1) as pool:
        ended = endings(work, pool, "parent", "server", "parent")
        assert [told(each)[0] for each in ended] == ["ok", "stopped", "ok"]
    servers = [int((work / f"exit-{n}").read_text().split()[1]) for n in (0, 2)]
    assert servers[0] != servers[1]
    wait_until(lambda: not any(map(is_alive, servers)), "the servers to end")


def waiting_in(pool: Any, work: Machine) -> tuple[int, int]:
    """Run a point, and return the process that waits for the next, and its server."""
    (seen,) = about(work, pool, 1)
    server = seen["parent"]
    listed = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    (spare,) = map(int, listed)
    assert spare != seen["pid"]
    return spare, server


def test_a_worker_that_waits_and_is_killed_costs_no_point(work: Machine) -> None:
    """SWP-13: the next worker is forked before it is needed; without it, another one is."""
    with LocalProcessPool(workers=1) as pool:
        spare, server = waiting_in(pool, work)
        os.kill(spare, signal.SIGKILL)
        (seen,) = about(work, pool, 1)
        assert seen["parent"] == server
        assert seen["pid"] != spare
        spare, server = waiting_in(pool, work)
        (seen,) = about(work, pool, 1)
        assert (seen["pid"], seen["parent"]) == (spare, server)
    assert not is_alive(server)


@pytest.mark.parametrize("how", ["the pool ends", "its server is killed"])
def test_a_worker_that_waits_in_vain_ends(work: Machine, how: str) -> None:
    """SWP-13, trap 66: nothing is left of it, however its server ends."""
    with LocalProcessPool(workers=1) as pool:
        spare, server = waiting_in(pool, work)
        assert is_alive(spare)
        if how == "its server is killed":
            os.kill(server, signal.SIGKILL)
            wait_until(lambda: not is_alive(spare), "the spare worker to end")
    wait_until(lambda: not is_alive(spare), "the spare worker to end")


def test_a_fork_ends_as_a_process_ends(work: Machine) -> None:
    """SWP-13: what is to be done at the exit is done, and other threads are waited for."""
    with LocalProcessPool(workers=1) as pool:
        ended = endings(work, pool, "atexit", "thread")
        assert [told(each)[0] for each in ended] == ["ok", "ok"]
        assert (work / "exit-0").exists() and (work / "exit-1").exists()


def test_where_a_fork_would_not_be_whole(
    work: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SWP-13: a server in which something has started a thread forks nothing; all is spawned."""
    (tmp_path / "sitecustomize.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    with LocalProcessPool(workers=1) as pool:
        found = about(work, pool)
    assert {each["parent"] for each in found} == {os.getpid()}


def test_a_driver_that_is_killed_leaves_no_server(work: Machine) -> None:
    """Trap 66: servers end with their driver, those that wait and those whose worker is deaf."""
    work.write(
        "work.py",
        "import os, signal, time\nfrom pathlib import Path\n"
        "def deaf(n):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    Path(f'about-{n}').write_text(f'{os.getpid()} {os.getppid()}')\n"
        "    time.sleep(60 if n == 1 else 0)\n",
    )
    work.commit_all("Deaf")
    code = (
        "Sweep({'callable': 'work:deaf', 'parameters': {'grid': {'n': [0, 1]}},"
        " 'backend': {'kind': 'local', 'workers': 2}}, out='sweep').run()"
    )
    with held.driver(work, code) as child:
        wait_until((work / "about-1").exists, "the points to begin")
        wait_until(lambda: (work / "about-1").read_text(), "the second point")
        wait_until((work / "about-0").exists, "the first point")
        held.stop(child, signal.SIGKILL)
    pids = [int(pid) for n in (0, 1) for pid in (work / f"about-{n}").read_text().split()]
    # The deaf one gets ten seconds.
    wait_until(lambda: not any(map(is_alive, pids)), "servers and workers to end", 30)
