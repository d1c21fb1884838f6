"""What of the kernel a lab needs, tried before anything of it is built."""

from dataclasses import dataclass

from ecbpf.errors import EcbpfError, MissingError, NotPermittedError
from ecbpf.lab.command import require, run

__all__ = ["Feature", "require_features"]


@dataclass(frozen=True)
class Feature:
    """A part of the kernel: its name, its module, and a trial.

    trial: a shell script that succeeds where the feature is there. It runs in a network namespace of its own,
    which vanishes with it. tool: a command that the trial needs.
    """

    name: str
    module: str
    trial: str
    tool: str = "ip"


def require_features(features: tuple[Feature, ...], title: str, up: str) -> None:
    """Raise MissingError that names the first of `features` which this kernel has not.

    title: the lab; up: the words that build it, for the way out.
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
