"""Errors of cluster management. Each message is one line for an operator."""

from config.errors import UserError


def printable(text: str) -> str:
    """Return foreign text on one line, without characters that a terminal would interpret."""
    line = " ".join(text.split())
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)


MAX_NAME_IN_MESSAGE = 100
"""Characters of a name that a message repeats; a cluster's has at most 63."""


def no_cluster(name: str) -> str:
    """Return the message for a cluster that does not exist or that the caller may not see.

    It is the same in both cases.
    """
    shown = name if len(name) <= MAX_NAME_IN_MESSAGE else f"{name[:MAX_NAME_IN_MESSAGE]}..."
    return f'no cluster "{printable(shown)}" that you may enter'


class ManagementError(UserError):
    """Base class of errors about clusters and grants."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ClusterNotFound(ManagementError):
    """No cluster has that id or name."""


class UserNotFound(ManagementError):
    """No user has that name, or several have."""


class InvalidRequest(ManagementError):
    """The request is not valid: a name, a URL, a disabled user."""


class AlreadyExists(ManagementError):
    """The name or the cluster exists already."""


class ClusterOperationFailed(ManagementError):
    """The cluster rejected the request or did not respond. The message has the outcome."""
