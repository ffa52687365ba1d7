"""SIGTERM and SIGINT as an asyncio event. SIGHUP ends no server but one in a terminal.

Configurations of logrotate send SIGHUP to servers, and its default ends the process. systemd calls
that a clean end, after which ``Restart=on-failure`` starts nothing.
"""

import asyncio
import os
import signal

from config.loggers import get_logger

_NUMBERS = (signal.SIGTERM, signal.SIGINT)
_STANDARD_INPUT = 0
_LOG = get_logger(__name__)


def stop_signal(*, second_ends: bool = True) -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets.

    With ``second_ends``, a second signal ends the process immediately. Without it, further signals
    have no effect: a worker can get one from its supervisor and one from the service manager, which
    signals all processes of a service.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        if second_ends:
            for number in _NUMBERS:
                loop.remove_signal_handler(number)

    for number in _NUMBERS:
        loop.add_signal_handler(number, on_signal)
    # nohup has set SIG_IGN. In a terminal, its end is the end of the server.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and not os.isatty(_STANDARD_INPUT):
        loop.add_signal_handler(signal.SIGHUP, _hung_up)
    return stop


def _hung_up() -> None:
    _LOG.info(
        "SIGHUP has no effect: certificates and moved log files are noticed without it",
        fix="restart Sekisho if its settings have changed",
    )
