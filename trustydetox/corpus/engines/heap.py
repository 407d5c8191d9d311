"""What the C library does with the memory that models give back."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of mallopt(3)
_TOP, _LARGE = 64 << 20, 4 << 20


def return_large_blocks() -> None:
    """Have this process give freed blocks of four megabytes and more back to the system.

    glibc by itself learns to keep ever larger ones, and between tensors of every size holes are
    left into which none fits: the longer a run, the more memory. Costs one or two hundredths of
    the time. Where the C library is another, nothing happens.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _TOP)
