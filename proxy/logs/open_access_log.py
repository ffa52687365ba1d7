"""Open the access log that the configuration describes."""

import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

from config.settings import LogSettings
from proxy.logs.access_log import AccessLog
from proxy.logs.line_writer import LineWriter


def open_access_log(
    settings: LogSettings, lost: Callable[[], None], stack: AsyncExitStack, style: str
) -> AccessLog | None:
    """Open the access log on standard error; close it with ``stack``. None if it is off.

    ``lost`` is called for each line that cannot be written.
    """
    if not settings.access:
        return None
    log = LineWriter(sys.stderr, lost=lost)
    stack.callback(log.close)
    return AccessLog(log, "console" if style == "console" else "json")
