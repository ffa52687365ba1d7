"""Giving memory that isn't used any more back to the system.

Each TLS connection has a buffer of a quarter of a MiB (uvloop's), of which two or three pages are
ever touched, and each large read makes one for a moment. glibc keeps them on the heap once it has
seen a few, where the connections that came and went leave holes between things that stay; by itself
it only ever gives back what lies at the heap's end. Asked now and then, it gives back every page.

(Mapping such blocks each by itself, with ``mallopt``, frees them at once, but costs a request two
to three times its CPU: a system call and page faults for each large read.)
"""

import asyncio
import ctypes

EVERY_SECONDS = 60.0
"""How often it is asked. It takes some milliseconds for each 100 MiB, in a thread."""


async def give_back_forever() -> None:
    """Ask again and again, until cancelled; never where the C library can't be asked."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        await asyncio.to_thread(give_back)


def give_back() -> bool:
    """Give back what can be; whether the C library knows how (glibc does)."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    trim(0)
    return True
