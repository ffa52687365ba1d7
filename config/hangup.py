"""What SIGHUP means to a program that runs until it is stopped.

Configurations of logrotate send SIGHUP to servers, and its default ends the process. systemd calls
that a clean end, after which ``Restart=on-failure`` starts nothing.
"""

import asyncio
import os
import signal
from collections.abc import Callable

_STANDARD_INPUT = 0


def survive_hangup(noticed: Callable[[], None]) -> None:
    """Let SIGHUP call ``noticed`` instead of ending this process, unless it runs in a terminal.

    A terminal's end is the end of its programs. nohup has SIGHUP ignored, which stays so.
    """
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and not os.isatty(_STANDARD_INPUT):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, noticed)
