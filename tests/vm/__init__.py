"""Commands and tests on other kernels than this machine's: Debian's, booted in qemu."""
