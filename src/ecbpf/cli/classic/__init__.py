"""The classic commands, flag for flag, on top of the functions that `ecbpf` uses."""
