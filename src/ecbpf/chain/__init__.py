"""The root array on an interface: attach, slots, pins, status. Knows no subprogram by name."""
