"""The commands: one file each, thin faces of the library."""
