"""Kernel features that a lab needs, tried before any of it is built."""

from dataclasses import dataclass

from ecbpf.errors import EcbpfError, MissingError, NotPermittedError
from ecbpf.lab.command import require, run

__all__ = ["Feature", "require_features"]


@dataclass(frozen=True)
class Feature:
    """A kernel feature: its name, its module, and a trial.

    trial: a shell script that succeeds if the kernel has the feature. It runs in a network namespace of its own,
    which ends with it. tool: a command that the trial needs.
    """

    name: str
    module: str
    trial: str
    tool: str = "ip"


def require_features(features: tuple[Feature, ...], title: str, up: str) -> None:
    """Raise MissingError, naming the first of `features` that this kernel lacks.

    title: the lab. up: the command that builds it, for the hint.
    """
    for feature in features:
        require(feature.tool)
        try:
            run("unshare", "--net", "sh", "-ec", feature.trial)
        except NotPermittedError:
            raise
        except EcbpfError as error:
            raise MissingError(
                title,
                f"this kernel has no {feature.name}",
                f"modprobe {feature.module}, or run it in a guest: python -m tests.vm -- {up}",
            ) from error
