"""The tests. Folders mirror ``src/aexp``; shared helpers live in ``tests/support``."""
