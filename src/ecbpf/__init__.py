"""The XDP data path of an edge load balancer, and its control plane."""

__version__ = "0.1.0"
