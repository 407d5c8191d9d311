"""What the C library does with the memory that models give back."""

from __future__ import annotations

import ctypes
import sys


def return_free_memory() -> None:
    """Have glibc give what was freed back to the system.

    By itself it gives back only what is free at the heap's end. Between tensors of every size holes
    are left into which few fit, and the longer a run, the more of them. Takes a few milliseconds.
    Where the C library is another, nothing happens.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
