"""Export of counters to monitoring systems."""
