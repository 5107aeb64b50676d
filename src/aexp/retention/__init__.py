"""Who keeps what: collection and pruning that know what findings cite (GC-06)."""
