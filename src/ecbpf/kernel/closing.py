"""Objects that are closed once: at the end of a `with` block, or when they are collected."""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Closing"]


class Closing:
    """A base: the subclass has a close() that may be called twice, and on a half-constructed object."""

    def close(self) -> None:
        """Release what this object holds."""
        raise AssertionError(type(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
