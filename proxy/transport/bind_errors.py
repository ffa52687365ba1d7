"""Explain to the operator why a listener cannot be opened."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from config.errors import Problem
from config.listen import Listen
from config.problems import ConfigError


@contextmanager
def explain_bind_errors(key: str, listen: Listen) -> Iterator[None]:
    """Turn errors of binding an address into a ConfigError with cause and remedy."""
    try:
        yield
    except OSError as exc:
        reasons = {
            errno.EADDRINUSE: f"port {listen.port} is in use; stop the program that listens there, "
            "or choose another port",
            errno.EACCES: f"port {listen.port} needs privileges; choose a port above 1023",
            errno.EADDRNOTAVAIL: f"{listen.host} is not an address of this machine; "
            "choose one that is",
        }
        message = reasons.get(exc.errno or 0, f"can't listen on {listen}: {exc.strerror or exc}")
        raise ConfigError([Problem("", key, message)]) from exc
