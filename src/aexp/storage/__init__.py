"""How bytes reach a disk, and nothing about what they mean."""
