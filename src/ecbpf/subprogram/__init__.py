"""The kit for subprograms with settings and counters. Independent of the individual subprograms."""
