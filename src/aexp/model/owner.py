"""Who runs an attempt: enough to tell later, from anywhere, whether that process still lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from aexp.model.canonical import Json


class Liveness(StrEnum):
    """What can be said of a process from here."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, named so that it is never mistaken for a later one (RUN-06).

    Attributes:
        host: the host's name.
        boot_id: the kernel's id of this boot, empty where there is none.
        pid: the process id.
        pid_namespace: the kernel's id of the process-id namespace (containers), or empty.
        start_time: when the process started, in the platform's own unit, as text.
        scheduler_job: the Slurm job, or empty.
        scheduler_restart: how many times Slurm has restarted that job.
        scheduler_cluster: the name of the cluster whose job that is, or empty.
    """

    host: str
    boot_id: str
    pid: int
    pid_namespace: str
    start_time: str
    scheduler_job: str = ""
    scheduler_restart: int = 0
    scheduler_cluster: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return the record as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> Owner | None:
        """Return the owner in ``value``, or None when it holds none."""
        if not isinstance(value, Mapping):
            return None
        try:
            return cls(
                host=str(value["host"]),
                boot_id=str(value.get("boot_id", "")),
                pid=int(value["pid"]),
                pid_namespace=str(value.get("pid_namespace", "")),
                start_time=str(value.get("start_time", "")),
                scheduler_job=str(value.get("scheduler_job", "")),
                scheduler_restart=int(value.get("scheduler_restart", 0)),
                scheduler_cluster=str(value.get("scheduler_cluster", "")),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    def describe(self) -> str:
        """Return the owner for a message: ``process 4711 on gpu023 (Slurm job 99)``."""
        slurm = f" (Slurm job {self.scheduler_job})" if self.scheduler_job else ""
        return f"process {self.pid} on {self.host}{slurm}"


def proven_dead_by_restart(owner: Owner, current: Owner) -> bool:
    """Return whether ``current`` is a later start of the same Slurm job than ``owner`` (RUN-05).

    Slurm starts a job again only after its earlier processes are gone.
    """
    return (
        bool(owner.scheduler_job)
        and owner.scheduler_job == current.scheduler_job
        and current.scheduler_restart > owner.scheduler_restart
    )
