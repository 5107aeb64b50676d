"""Store 1: what is happening. One signac job folder per run, written by the run's owner alone.

signac defines the layout; aexp reads and writes its two files directly, because signac's own
writer is neither durable nor safe between processes (traps 9, 19), and because importing signac
costs more than the work. :mod:`aexp.workspace.compat` hands out real signac jobs.
"""
