"""What the library has to say beside its results: a file system that it mounted, an interface that went away.

The commands print it on standard error. A program that imports ecbpf finds it in the logger "ecbpf", or calls
listen() to do something else with it.
"""

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["listen", "notify"]


def _log(text: str) -> None:
    import logging  # noqa: PLC0415  (8 ms, and no command needs it)

    logging.getLogger("ecbpf").warning(text)


_listener: "Callable[[str], None]" = _log


def listen(listener: "Callable[[str], None]") -> None:
    """Call `listener` with each notice from now on, one line of text, instead of logging it."""
    global _listener  # noqa: PLW0603  (one for the process, as with logging's own)
    _listener = listener


def notify(text: str) -> None:
    """Say one line of text."""
    _listener(text)
