"""SIGTERM and SIGINT as an asyncio event."""

import asyncio
import signal

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


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
    return stop
