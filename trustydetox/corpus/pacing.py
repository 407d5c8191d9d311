"""How far a run is, by the size of the texts that are done: what the models cost goes with it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, float | None], object]
"""Told how many rows are done and which share of the input that was, None if unknown."""

Told = Callable[[int], object]
"""Told how many characters of text were just done."""


def unheard(characters: int, /) -> None:
    """Nobody listens."""


class Pace:
    """Window after window, tells `progress` what is done of each as its parts come back.

    Within a window rows are counted as if each were as long as the others.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._rows = self._window_rows = 0
        self._share: float | None = 0.0
        self._window_share: float | None = 0.0
        self._size = self._done = 0

    def begin(self, rows: int, size: int, share: float | None) -> None:
        """A window of so many rows and characters, after which `share` of the input is done."""
        self._rows, self._share = self._rows + self._window_rows, self._window_share
        self._window_rows, self._window_share = rows, share
        self._size, self._done = size, 0

    def done(self, characters: int) -> None:
        """Part of the window."""
        self._done += characters
        self._tell(self._done / max(self._size, 1))

    def end(self) -> None:
        """The rest of the window."""
        self._tell(1.0)

    def _tell(self, part: float) -> None:
        if self._progress is None:
            return
        share = self._window_share
        if share is not None and self._share is not None:
            share = self._share + part * (share - self._share)
        self._progress(self._rows + int(part * self._window_rows), share)
