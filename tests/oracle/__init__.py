"""What the kernel programs should do, said a second time in plain Python."""
