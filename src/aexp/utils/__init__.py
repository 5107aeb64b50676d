"""Names that other code imports from here; the code itself lives elsewhere."""
