"""The root array on an interface: attach, slots, pins, status. Independent of the individual subprograms."""
