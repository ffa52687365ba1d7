"""SIGTERM and SIGINT, as an event."""

import asyncio
import signal

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


def stop_signal(*, second_ends: bool = True) -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; with ``second_ends``, another ends the process at once.

    Without, more of them say nothing new: a worker hears of one end from its supervisor and from
    whoever told all processes of a service.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        stop.set()
        if second_ends:
            for number in _NUMBERS:
                loop.remove_signal_handler(number)

    for number in _NUMBERS:
        loop.add_signal_handler(number, asked)
    return stop
