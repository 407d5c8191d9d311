"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from trustydetox.corpus.engines.heap import return_large_blocks

# glibc's mallinfo counts the blocks that came from the system one by one (`hblks`).
_PROGRAM = """
import ctypes
import sys
from trustydetox.corpus.engines.heap import return_large_blocks

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keep".split()]

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.mallinfo.restype = Info

if sys.argv[1] == "yes":
    return_large_blocks()
libc.free(libc.malloc(24 << 20))
before = libc.mallinfo().hblks
block = libc.malloc(8 << 20)
print(libc.mallinfo().hblks - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.parametrize(("asked", "blocks"), [("yes", "1"), ("no", "0")])
def test_a_large_block_is_the_systems_own_even_after_a_larger_one(asked: str, blocks: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, asked], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == blocks


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", None)
    return_large_blocks()
