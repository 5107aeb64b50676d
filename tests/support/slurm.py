"""A real Slurm of one node on the loopback, for root: munged, slurmctld and slurmd of our own.

It has no accounting (``sacct`` answers nothing), as many small clusters do not. Each session starts
its own, on free ports and in a folder of its own, and ends only what it has started.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")

_REQUIRED = os.environ.get("AEXP_REQUIRE_SERVICES") == "1"
"""As it was outside; a test's own environment is sealed."""
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
START_S = 60.0
# More processors than the machine has, so that jobs of tests do not wait for each other.
_CONFIG = """\
ClusterName=aexp
SlurmctldHost=localhost
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=30
KillWait={kill_wait}
OverTimeLimit=0
MinJobAge={min_job_age}
InactiveLimit=0
JobRequeue=1
NodeName=localhost NodeAddr=127.0.0.1 CPUs=8 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass
class Slurm:
    """A running Slurm.

    Attributes:
        folder: with its configuration, state and logs.
        environ: what a client needs (``SLURM_CONF``).
    """

    folder: Path
    environ: dict[str, str]
    _daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(
        self, *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Run a client (``squeue`` …) and return what it said."""
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env={**os.environ, **self.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def state(self, job: str) -> str:
        """Return what Slurm says of a job (``RUNNING`` …), or nothing when it knows none."""
        return self.run("squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job}")

    def detail(self, job: str, name: str) -> str:
        """Return one value of ``scontrol show job``."""
        words = self.run("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word).get(name, "")

    def wait(self, job: str, *states: str, timeout: float = 60) -> str:
        """Wait until a job is in one of ``states`` and return which."""
        try:
            return wait_until(
                lambda: state if (state := self.state(job)) in states else "",
                f"{job} to be {states}",
                timeout,
                every=0.1,
            )
        except AssertionError as error:
            shown = self.run("scontrol", "show", "job", job)
            logs = "".join(p.read_text(errors="replace") for p in self.folder.glob(f"*{job}*.log"))
            raise AssertionError(f"{error}\n{shown}\n{logs}") from None

    def let_time_be_up(self, job: str) -> None:
        """Move the end of a running job's time to now. Slurm looks for such jobs twice a minute."""
        self.run("scontrol", "update", f"JobId={job}", "EndTime=now")

    def requeue(self, job: str) -> None:
        """Start a job again, at once; Slurm itself would let a minute or two go by."""
        self.run("scontrol", "requeue", job)
        self.wait(job, "PENDING")
        time.sleep(1.2)  # slurmd takes a launch in the second of the kill for one that came before

        def begun() -> bool:
            # Again and again: Slurm puts the begin off once more when the last step has gone.
            if self.state(job) == "PENDING":
                with suppress(AssertionError):  # it has just begun
                    self.run("scontrol", "update", f"JobId={job}", "StartTime=now")
                return False
            return True

        wait_until(begun, f"{job} to begin again", 60, every=0.5)

    def start(self, name: str) -> None:
        """Start one daemon."""
        with (self.folder / f"{name}.out").open("ab") as output:
            self._daemons[name] = subprocess.Popen(
                self._command(name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env={**os.environ, **self.environ},
                start_new_session=True,
            )

    def stop(self, name: str, *, kill: bool = False) -> None:
        """End one daemon that :meth:`start` started."""
        daemon = self._daemons.pop(name, None)
        if daemon is None:
            return
        daemon.kill() if kill else daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(20)

    def _command(self, name: str) -> list[str]:
        conf = str(self.folder / "slurm.conf")
        return {
            "munged": [
                *(_program("munged"), "--foreground", "--force", "--num-threads=2"),
                f"--socket={self.folder}/munge.socket",
                f"--key-file={self.folder}/munge.key",
                f"--pid-file={self.folder}/munged.pid",
                f"--seed-file={self.folder}/munged.seed",
                f"--log-file={self.folder}/munged.log",
            ],
            "slurmctld": [_program("slurmctld"), "-D", "-i", "-f", conf],
            "slurmd": [_program("slurmd"), "-D", "-N", "localhost", "-f", conf],
        }[name]

    def wait_ready(self) -> None:
        """Wait until the node takes jobs."""
        wait_until(self._is_ready, "the node to be idle", START_S, every=0.1)

    def _is_ready(self) -> str:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        for name, daemon in self._daemons.items():
            said = (self.folder / f"{name}.out").read_text(errors="replace")[-2000:]
            assert daemon.poll() is None, f"{name} ended with {daemon.returncode}: {said}"
        return done.stdout.strip() if done.stdout.strip() in ("idle", "mixed", "allocated") else ""

    def jobs(self) -> set[str]:
        """Return the jobs that wait or run; an array is one."""
        return set(self.run("squeue", "--noheader", "--format=%F").split())

    def end_jobs(self, spare: Set[str] = frozenset()) -> None:
        """Cancel all jobs but those of ``spare``, and wait until none of them is left."""
        if jobs := sorted(self.jobs() - spare):
            with suppress(AssertionError):  # one that has ended meanwhile cannot be cancelled
                self.run("scancel", *jobs)
            wait_until(lambda: not self.jobs() - spare, "all jobs to end", 60, every=0.1)


def wait_until(
    question: Callable[[], T], what: str, timeout: float = 60, *, every: float = 0.05
) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(every)
    raise AssertionError(f"waited {timeout:g} s for {what}")


def missing_programs() -> list[str]:
    """Return which of Slurm's programs this machine has not, or what else is missing."""
    missing = [name for name in PROGRAMS if not _program(name)]
    if sys.platform != "linux" or os.geteuid() != 0:
        missing.append("root on Linux")
    return missing


def _program(name: str) -> str:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin") or ""


@contextmanager
def slurm_cluster(*, kill_wait: int = 3, min_job_age: int = 300) -> Iterator[Slurm]:
    """Run a one-node Slurm as long as the block.

    Args:
        kill_wait: seconds between SIGTERM and SIGKILL at a job's time limit.
        min_job_age: seconds for which Slurm remembers a job that has ended.
    """
    folder = Path(tempfile.mkdtemp(prefix="aexp-slurm-"))
    folder.chmod(0o755)  # a munge socket must be in reach of everybody
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(128))
    (folder / "slurm.conf").write_text(
        _CONFIG.format(
            folder=folder,
            controller_port=_free_port(),
            node_port=_free_port(),
            kill_wait=kill_wait,
            min_job_age=min_job_age,
        )
    )
    slurm = Slurm(folder, {"SLURM_CONF": str(folder / "slurm.conf")})
    try:
        slurm.start("munged")
        wait_until((folder / "munge.socket").exists, "munged", START_S)
        slurm.start("slurmctld")
        slurm.start("slurmd")
        slurm.wait_ready()
        yield slurm
    finally:
        with suppress(AssertionError, subprocess.TimeoutExpired):
            slurm.end_jobs()
        for name in ("slurmd", "slurmctld", "munged"):
            slurm.stop(name)
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def need_slurm() -> None:
    """Skip the test where no Slurm can be started, or fail where services are required."""
    if missing := missing_programs():
        say = f"no Slurm here (Debian: slurm-wlm, munge): {', '.join(missing)} missing"
        if _REQUIRED:
            pytest.fail(f"{say}, and AEXP_REQUIRE_SERVICES=1")
        pytest.skip(say)


@pytest.fixture(scope="session")
def slurm_of_session(sealed_home: Path) -> Iterator[Slurm]:
    """The Slurm of one node that all tests of a session share."""
    need_slurm()
    with slurm_cluster() as slurm:
        yield slurm


@pytest.fixture
def slurm(slurm_of_session: Slurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """A Slurm of one node, and the variable by which its clients find it; no job is left after."""
    for name, value in slurm_of_session.environ.items():
        monkeypatch.setenv(name, value)
    before = slurm_of_session.jobs()
    yield slurm_of_session
    slurm_of_session.end_jobs(spare=before)
