"""Logging: structlog over everything, as JSON or for a terminal; no secrets by construction.

Code logs names and ids, never headers, bodies or URLs with queries. What gets in by a library's
own messages is cut down here: bearers and passwords in what looks like a header or a URL.
"""

import io
import logging
import re
import sys
from typing import Literal

import structlog

from config.settings import Settings
from proxy.whole_lines import WholeLines

_SECRETS = (
    (re.compile(r"(?i)(bearer|basic)\s+[\w.~+/=:-]+"), r"\1 [redacted]"),
    (re.compile(r"\b((?:token|kubeconfig|session)-[a-z0-9]+):[\w-]+"), r"\1:[redacted]"),
    (re.compile(r"(\w+://[^:/@\s]+):[^@/\s]+@"), r"\1:[redacted]@"),
)


def set_up_logging(
    level: str, style: Literal["auto", "json", "console"]
) -> Literal["json", "console"]:
    """Send every log line to standard error; the style that was chosen."""
    by_stream: Literal["json", "console"] = "console" if sys.stderr.isatty() else "json"
    chosen = by_stream if style == "auto" else style
    renderer: structlog.typing.Processor
    if chosen == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    stream = sys.stderr
    handler = logging.StreamHandler(
        WholeLines(stream) if isinstance(stream, io.TextIOWrapper) else stream
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # aiohttp's server tells of every malformed request and client that hung up: noise on purpose.
    logging.getLogger("aiohttp.server").setLevel(logging.ERROR)
    logging.getLogger("aiohttp.access").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    return chosen


def tell_ready(settings: Settings, **more: object) -> None:
    """Say in the log that requests are served, and where."""
    structlog.get_logger("sekisho").info(
        "ready",
        listen=str(settings.server.listen),
        external_url=settings.external_url,
        metrics=str(settings.metrics.listen),
        **more,
    )


def redact(
    logger: object, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A structlog processor that blanks what looks like a secret, in every value."""
    for key, value in event.items():
        if isinstance(value, str):
            for pattern, replacement in _SECRETS:
                value = pattern.sub(replacement, value)
            event[key] = value
    return event
