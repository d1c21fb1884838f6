"""Shell commands that must succeed."""

import subprocess

__all__ = ["sh"]


def sh(command: str) -> str:
    """Run a shell command that must succeed; returns what it prints."""
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
