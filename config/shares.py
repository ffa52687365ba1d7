"""What one of several workers may let in, so that all of them keep the limits of the whole. Pure.

Workers count by themselves. The kernel gives each connection to one of them by chance, so somebody
with ``n`` requests at a time (each on a connection of its own) has them spread like heads and
tails. A share is what falls on one worker of those who are just at the limit, and three standard
deviations more: they are refused by one of them once in some hundred times, and somebody who is
over the limit has at most those deviations more than it. See docs/decisions/0021-workers.md.
"""

import math

from config.limit_settings import LimitSettings, ScopeLimits
from config.settings import LoginSettings, Settings

_AT_A_TIME = ("in_flight", "watches", "upgrades")
_SCOPES = ("token", "user", "address", "cluster")
_DEVIATIONS = 3.0

LEAST_ATTEMPTS = 3
"""Wrong passwords that every worker allows, if the limit does: everybody mistypes."""


def share(limit: int, workers: int) -> int:
    """One worker's share of a limit on what is there at a time. 0 stays what it is: no limit."""
    deviation = math.sqrt(limit * (workers - 1)) / workers
    return min(limit, math.ceil(limit / workers + _DEVIATIONS * deviation))


def share_of_attempts(limit: int, workers: int) -> int:
    """One worker's share of failed sign-ins. Whoever guesses can choose the worker: no more."""
    return max(min(limit, LEAST_ATTEMPTS), math.ceil(limit / workers))


def settings_of_one(settings: Settings, workers: int) -> Settings:
    """The settings for one of several workers. Rates stay: a connection is all in one worker."""
    connections = share(settings.gate.max_connections_per_cluster, workers)
    return settings.model_copy(
        update={
            "limits": _limits(settings.limits, workers),
            "login": _login(settings.login, workers),
            "gate": settings.gate.model_copy(update={"max_connections_per_cluster": connections}),
        }
    )


def _limits(limits: LimitSettings, workers: int) -> LimitSettings:
    def scope(whole: ScopeLimits) -> ScopeLimits:
        update = {name: share(getattr(whole, name), workers) for name in _AT_A_TIME}
        return whole.model_copy(update=update)

    return limits.model_copy(update={name: scope(getattr(limits, name)) for name in _SCOPES})


def _login(login: LoginSettings, workers: int) -> LoginSettings:
    names = ("attempts_per_user", "attempts_per_address")
    return login.model_copy(
        update={name: share_of_attempts(getattr(login, name), workers) for name in names}
    )
