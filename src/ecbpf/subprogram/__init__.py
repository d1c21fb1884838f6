"""The kit: what every subprogram with settings and counters needs. Knows no subprogram by name."""
