"""SIGTERM and SIGINT as an asyncio event. SIGHUP ends no server but one in a terminal."""

import asyncio
import signal

from config.hangup import survive_hangup
from config.loggers import get_logger

_NUMBERS = (signal.SIGTERM, signal.SIGINT)
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
    survive_hangup(_hung_up)
    return stop


def _hung_up() -> None:
    _LOG.info(
        "SIGHUP has no effect: certificates and moved log files are noticed without it",
        fix="restart Sekisho if its settings have changed",
    )
