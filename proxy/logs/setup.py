"""Set up logging: structlog for all log lines, as JSON or for a terminal, without secrets.

Sekisho's code logs names and ids, never headers, bodies or URLs with queries. Messages of libraries
may contain more: credentials in text that looks like a header or a URL are redacted here.
"""

import io
import logging
import re
import sys
from typing import TYPE_CHECKING, Literal

import structlog

from config.loggers import get_logger
from proxy.logs.atomic_lines import AtomicLineStream
from proxy.logs.truncation import cut

if TYPE_CHECKING:
    from config.settings import Settings

_LOG = get_logger(__name__)

_SECRETS = (
    (re.compile(r"(?i)(bearer|basic)\s+[\w.~+/=:-]+"), r"\1 [redacted]"),
    (re.compile(r"\b((?:token|kubeconfig|session)-[a-z0-9]+):[\w-]+"), r"\1:[redacted]"),
    # Starts at "://": with the scheme, matching a long word would take quadratic time.
    (re.compile(r"(://[^:/@\s]+):[^@/\s]+@"), r"\1:[redacted]@"),
)


MAX_VALUE = 4096
"""Characters of a value in a line, which may be text from a client, a cluster or a provider."""

_WHOLE = frozenset({"exception", "stack"})


def set_up_logging(
    level: str,
    style: Literal["auto", "json", "console"],
    *more: structlog.typing.Processor,
) -> Literal["json", "console"]:
    """Send all log lines to standard error. Return the style that ``auto`` resolves to.

    ``more`` are processors for each line. An agent has none, and does not import theirs.
    """
    by_stream: Literal["json", "console"] = "console" if sys.stderr.isatty() else "json"
    chosen = by_stream if style == "auto" else style
    renderer: structlog.typing.Processor
    if chosen == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        *more,
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
        AtomicLineStream(stream) if isinstance(stream, io.TextIOWrapper) else stream
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
    # aiohttp's server logs each malformed request and closed connection: clients cause these.
    logging.getLogger("aiohttp.server").setLevel(logging.ERROR)
    logging.getLogger("aiohttp.access").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    return chosen


def log_ready(settings: "Settings", **more: object) -> None:
    """Log that the server accepts requests, and its addresses."""
    _LOG.info(
        "ready",
        listen=str(settings.server.listen),
        external_url=settings.external_url,
        metrics=str(settings.metrics.listen),
        **more,
    )


def log_stopping(settings: "Settings") -> None:
    """Log that the server stops, and how long it serves on and lets requests finish."""
    server = settings.server
    delay = server.shutdown_delay.total_seconds()
    _LOG.info("stopping", delay_seconds=delay, grace_seconds=server.shutdown_grace_seconds)


def redact(
    logger: object, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Redact text that looks like a credential in every value. A structlog processor."""
    for key, value in event.items():
        if isinstance(value, str):
            for pattern, replacement in _SECRETS:
                value = pattern.sub(replacement, value)
            event[key] = value if key in _WHOLE else cut(value, MAX_VALUE)
    return event
