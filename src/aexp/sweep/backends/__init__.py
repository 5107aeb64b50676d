"""Where the points of a sweep are executed: one small contract, and who keeps it (SWP-13)."""
