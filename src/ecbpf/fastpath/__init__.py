"""The ACK fast path: slot 7 and tc egress send packets of established flows past IPVS."""
