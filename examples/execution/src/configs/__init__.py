"""What `aexp exec` composes: each module stores the options of one group."""
