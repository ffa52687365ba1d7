"""What management of clusters says no to. Each message is one line, fit for an operator."""


class ClusterError(Exception):
    """Root of the refusals that are about clusters and grants."""


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
