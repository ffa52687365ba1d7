"""What management of clusters says no to. Each message is one line, fit for an operator."""


def printable(text: str) -> str:
    """Text that others wrote, on one line and with nothing in it that a terminal would obey."""
    line = " ".join(text.split())
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)


class ClusterError(Exception):
    """Root of the refusals that are about clusters and grants."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class NoSuchCluster(ClusterError):
    """There is no cluster with that id or name."""


class NoSuchUser(ClusterError):
    """There is no user with that name, or more than one."""


class BadRequest(ClusterError):
    """What was asked for can't be: a name, a URL, a disabled user."""


class AlreadyThere(ClusterError):
    """The name, or the cluster itself, is taken."""


class DownstreamFailed(ClusterError):
    """The cluster said no, or nothing. The message says what was done about it."""
