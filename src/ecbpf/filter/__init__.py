"""The filter: slot 2 drops listed sources, broken headers and fragments."""
