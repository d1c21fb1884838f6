"""Numbers on their way to whoever collects them."""
