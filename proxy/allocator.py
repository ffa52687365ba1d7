"""How the C library keeps memory that isn't used any more.

Each TLS connection has a buffer of a quarter of a MiB (uvloop's). glibc maps the first of such
blocks from the system and gives them back; but once one has been freed it takes that for a habit,
and puts the next ones on the heap instead. There they lie between small things that stay, so that
a thousand connections that came and went leave a heap full of holes that is never given back; and
every page of a new buffer is there from the start, though most connections use two or three.

Told once where the border is, glibc keeps to it. Other C libraries have no such habit.
"""

import ctypes

LARGE_BYTES = 256 * 1024
"""From here on blocks are mapped: the buffers are this large, and few pieces of bodies."""

KEPT_BYTES = 8 * 1024**2
"""What may be free at the heap's end before it is given back; glibc's 128 KiB mean many calls."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def keep_large_blocks_apart() -> bool:
    """Set the border, for this process and those that it forks; whether the C library knows one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES) and mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))
