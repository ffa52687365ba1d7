"""Child processes that never outlive the one that started them."""

import os
import sys

# Runs before the program itself: the kernel is told to kill this process when its parent's thread
# dies (PR_SET_PDEATHSIG = 1), and checks that it isn't dead already. A program of its own instead
# of preexec_fn, because Python code between fork and exec may deadlock in a process with threads.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


def under_us() -> list[str]:
    """What goes before a command so that its process dies with this one (on Linux).

    The thread that starts it must live as long as it should run: Linux ties the two together.
    """
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]
