"""What things are. Pure: no disk, no clock, no environment, no randomness."""
