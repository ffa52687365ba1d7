"""What this process calls itself: a random id, and the machine on which it runs."""

import hashlib
import os
import secrets
import socket
from pathlib import Path

from store.agent_records import Replica

_IN_CONTAINER = ("/.dockerenv", "/run/.containerenv")


def this_replica() -> Replica:
    """Return this process as a replica."""
    return Replica(f"r-{secrets.token_hex(8)}", machine_name())


def machine_name() -> str:
    """Return a name of the machine that all of its processes use.

    A container has its image's machine-id, if any, so its host name counts. A machine-id is hashed,
    because agents receive the name and machine-id(5) asks to keep it from others.
    """
    machine_id = "" if _is_container() else _machine_id()
    if not machine_id:
        return socket.gethostname()
    return hashlib.sha256(f"sekisho:{machine_id}".encode()).hexdigest()[:16]


def _is_container() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ or any(
        Path(one).exists() for one in _IN_CONTAINER
    )


def _machine_id() -> str:
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
