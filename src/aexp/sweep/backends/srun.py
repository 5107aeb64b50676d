"""Points as steps of a Slurm allocation: the driver runs within it, too (SWP-13)."""

from __future__ import annotations

from collections.abc import Sequence

from aexp import settings
from aexp.errors import SweepConfigError
from aexp.sweep.backends.local import LocalProcessPool


class SrunPool(LocalProcessPool):
    """Runs points with ``srun``, on the nodes of the allocation that the driver runs in.

    For many short points: the queue is waited for once. The driver stands in the script of
    ``sbatch``, or within ``salloc``. When it ends, its steps end.

    Args:
        workers: how many at once; as many as the allocation has tasks when None.
        srun: more options of ``srun``: ``["--cpus-per-task=2", "--mem=4G"]``. Where memory is
            allocated, each step needs its ``--mem``, or it takes all there is.

    Raises:
        SweepConfigError: this is no allocation, or ``workers`` is less than one.
    """

    name = "srun"

    def __init__(self, workers: int | None = None, *, srun: Sequence[str] = ()) -> None:
        tasks = settings.slurm_tasks()
        if not tasks:
            raise SweepConfigError(
                "the backend srun works within an allocation of Slurm",
                hint="start the sweep in a script of `sbatch` or in `salloc`, or use kind: slurm",
            )
        super().__init__(tasks if workers is None else workers)
        self.prefix = ("srun", "--nodes=1", "--ntasks=1", "--exact", "--quiet", *srun)
