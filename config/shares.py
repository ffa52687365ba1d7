"""The limits of one of several workers, which together keep the configured limits. Pure.

Each worker has its own counters. The kernel assigns each connection to a random worker, so the
requests of a client with ``n`` concurrent requests (each on its own connection) have a binomial
distribution. A share is the mean for a client at the limit, plus three standard deviations. One
worker then rejects a request of such a client about once in some hundred times, and a client above
the limit gets at most those deviations more than the limit. See docs/decisions/0021-workers.md.
"""

import math

from pydantic import ByteSize

from config.limit_settings import AnonymousLimits, ConnectionLimits, LimitSettings, ScopeLimits
from config.settings import Settings
from config.sign_in_settings import LoginSettings

_CONCURRENT = ("in_flight", "watches", "upgrades")
_SCOPES = ("token", "user", "address", "cluster")
_DEVIATIONS = 3.0

MIN_ATTEMPTS = 3
"""Wrong passwords that every worker allows, if the limit does: users make typing errors."""


def share(limit: int, workers: int) -> int:
    """Return one worker's share of a limit on concurrency. 0 stays 0: no limit."""
    deviation = math.sqrt(limit * (workers - 1)) / workers
    return min(limit, math.ceil(limit / workers + _DEVIATIONS * deviation))


def share_of_attempts(limit: int, workers: int) -> int:
    """Return one worker's share of failed sign-ins.

    It has no margin: an attacker can choose the worker by opening new connections.
    """
    return max(min(limit, MIN_ATTEMPTS), math.ceil(limit / workers))


def settings_of_one(settings: Settings, workers: int) -> Settings:
    """Return the settings of one of several workers.

    Rates are not divided: all requests of a connection go to one worker.
    """
    anonymous = math.ceil(settings.audit.anonymous_per_day / workers)
    searched = math.ceil(settings.audit.search.max_per_minute / workers)
    search = settings.audit.search.model_copy(update={"max_per_minute": searched})
    connections = share(settings.upstream.max_connections_per_cluster, workers)
    return settings.model_copy(
        update={
            "limits": _limits(settings.limits, workers),
            "login": _login(settings.login, workers),
            "audit": settings.audit.model_copy(
                update={"anonymous_per_day": ByteSize(anonymous), "search": search}
            ),
            "upstream": settings.upstream.model_copy(
                update={"max_connections_per_cluster": connections}
            ),
        }
    )


def _limits(limits: LimitSettings, workers: int) -> LimitSettings:
    def scope(whole: ScopeLimits) -> ScopeLimits:
        update = {name: share(getattr(whole, name), workers) for name in _CONCURRENT}
        return whole.model_copy(update=update)

    update: dict[str, object] = {name: scope(getattr(limits, name)) for name in _SCOPES}
    update["connections"] = _connections(limits.connections, workers)
    update["anonymous"] = _anonymous(limits.anonymous, workers)
    return limits.model_copy(update=update)


def _connections(whole: ConnectionLimits, workers: int) -> ConnectionLimits:
    """Return one worker's share of connections. A limit by descriptors is per process already."""
    names = ("total", "per_network", "per_known_network")
    return whole.model_copy(update={name: share(getattr(whole, name), workers) for name in names})


def _anonymous(whole: AnonymousLimits, workers: int) -> AnonymousLimits:
    """Return one worker's share of the limits on anonymous requests.

    Anonymous clients choose their number of connections, and so how many workers they reach. A
    network gets twice its part in each worker, because legitimate clients have few connections.
    """
    update: dict[str, object] = {
        "total_per_second": whole.total_per_second / workers,
        "total_burst": math.ceil(whole.total_burst / workers),
    }
    for name in ("in_flight", "total_in_flight"):
        update[name] = share(getattr(whole, name), workers)
    part = min(1.0, 2 / workers)
    for name in ("requests_per_second", "probes_per_second"):
        update[name] = getattr(whole, name) * part
    for name in ("burst", "sign_ins_per_minute"):
        update[name] = math.ceil(getattr(whole, name) * part)
    return whole.model_copy(update=update)


def _login(login: LoginSettings, workers: int) -> LoginSettings:
    names = ("attempts_per_user", "attempts_per_address")
    return login.model_copy(
        update={name: share_of_attempts(getattr(login, name), workers) for name in names}
    )
