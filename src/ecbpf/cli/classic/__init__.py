"""The commands that operators know, flag for flag: other faces of the same functions."""
