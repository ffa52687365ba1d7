"""Loggers, named after packages: ``sekisho.management.clusters``."""

import structlog


def get_logger(module: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module's package. Pass ``__name__``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(logger_name(module))
    return logger


def logger_name(module: str) -> str:
    """Return the name of the logger that all modules of a package share."""
    return f"sekisho.{module.rpartition('.')[0] or module}"
