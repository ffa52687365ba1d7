"""Overload control: which requests a worker serves when it cannot serve all. Pure.

A worker is one event loop. When it is overloaded, all requests wait in its queue, whichever caller
filled it, and no limit of concurrent requests need be reached. The signal is the loop's lag: the
delay of a timer that is due, which is about the time that a request waits.

1. The lag is measured every :data:`LOOK_SECONDS`. Requests are not counted until the first
   measurement above the threshold, which starts counting by user and token.
2. A mean lag above the threshold in a whole round is an overload. The capacity, in requests per
   second, is then less than the requests admitted in the round. It is divided by max-min fairness
   (:mod:`proxy.limits.fair_share`): requests within the fair share are served; requests above it
   get 429. The capacity is lowered while the lag persists and raised while it does not. The
   overload ends after some rounds without rejections.
3. If there is lag and more requests were rejected than admitted, rejections cost too much: some
   clients ignore Retry-After. Instead of the capacity, their pace is lowered: rejections are
   delayed (``hold``), and a connection sends no other request before its response.
4. Users at or below the average rate, or below ``min_rate`` requests per second, are not rejected
   until the lag is *critical*. Then the same share applies to them as well, with 503.

Like CoDel (RFC 8289) it measures waiting time, not load, so it needs no figure for the capacity of
the machine.
"""

import math
from typing import NamedTuple

from config.limit_settings import OverloadSettings
from proxy.limits.fair_share import ROUND_SECONDS, FairShares, fair_share

LOOK_SECONDS = 0.05
"""Interval between two measurements of the loop's lag."""

QUIET_ROUNDS = 10
"""Rounds without lag and without rejections after which an overload ends."""

_CUT, _DEEP_CUT, _RAISE = 0.9, 0.7, 1.1
_LEAST = 0.25
"""Least capacity, as a part of the highest admitted rate. If that does not help, a lower capacity
only rejects requests that could be served."""

_MORE = 1.2
"""Factor above the mean rate at which a user counts as above average."""

_LEAST_HOLD, _MOST_HOLD, _RELAX = 0.1, 5.0, 0.9
"""Delays of rejections in seconds, and the factor by which they fall from round to round."""


class OverloadRejection(NamedTuple):
    """A rejection: 429 for a user above the average rate, 503 for others."""

    code: int
    retry_after: int
    """Seconds."""


class OverloadController:
    """Decides for one worker. Call :meth:`admit` for each request while ``counting``."""

    def __init__(self, settings: OverloadSettings) -> None:
        self.counting = False
        """Whether requests are counted. A plain attribute, because each request reads it."""
        self.overloaded = False
        self.lag = 0.0
        """Mean lag of the event loop in the last round, in seconds."""
        # Without a threshold, counting never begins.
        self._late = settings.lag_threshold.total_seconds() if settings.enabled else math.inf
        self._very_late = settings.critical_lag.total_seconds()
        self._shares = FairShares(settings.min_rate)
        self._now = 0.0
        self._round = _Round(0.0)
        self._refusals = 0
        self._hold = 0.0
        self._quiet = 0
        self._was_very_late = False
        self._capacity = self._best = self._average = 0.0

    @property
    def share(self) -> float:
        """Requests per second that one user may begin; inf if none are rejected."""
        return self._shares.share

    @property
    def known(self) -> int:
        """Number of users and tokens that are counted."""
        return len(self._shares)

    def observe_lag(self, now: float, late: float) -> None:
        """Record that a timer was ``late`` seconds late at ``now`` (monotonic)."""
        self._now = now
        if self.counting:
            self._round.observe_lag(late)
            if now - self._round.began >= ROUND_SECONDS:
                self._end_round(now - self._round.began)
                self._round = _Round(now)
        elif late > self._late:
            self.counting = True
            self._round = _Round(now)

    def admit(self, user: str, token: str) -> OverloadRejection | None:
        """Count a request of a user's token. Return None if it may begin."""
        refused = self._shares.admit(user, token, self._now)
        if refused is None:
            self._round.admitted += 1
            return None
        self._round.refused += 1
        above_average = refused.demand > self._average
        # Spread over some seconds, so that the clients do not return in the same one.
        return OverloadRejection(
            429 if above_average else 503, 1 + self._round.refused % (2 if above_average else 4)
        )

    def rejected_elsewhere(self) -> None:
        """Record that another limit rejected a request that :meth:`admit` accepted."""
        self._round.admitted -= 1
        self._round.refused += 1

    def hold(self) -> float:
        """Return the delay of the next rejection, in seconds."""
        self._refusals += 1
        return self._hold * (0.5 + self._refusals % 8 / 8)  # Spread over time.

    def _end_round(self, seconds: float) -> None:
        rates = self._shares.end_round(seconds)
        self.lag = self._round.lag
        late, refused = self.lag > self._late, self._round.refused > 0
        self._quiet = 0 if late or refused else self._quiet + 1
        if late:
            self._relieve(seconds)
        else:
            self._hold *= _RELAX
            self._capacity *= _RAISE
        if self._quiet >= (QUIET_ROUNDS if self.overloaded else 1):
            self._end()
        elif self.overloaded:
            self._divide(rates)

    def _end(self) -> None:
        self.counting = self.overloaded = False
        self._best = self._hold = 0.0
        self._quiet = 0
        self._was_very_late = False
        self._shares.forget()

    def _relieve(self, seconds: float) -> None:
        """Reduce the larger cost: rejections, or admitted requests."""
        if self._round.refused > self._round.admitted:
            self._hold = min(max(2 * self._hold, _LEAST_HOLD), _MOST_HOLD)
            return
        admitted = self._round.admitted / seconds
        before = min(self._capacity, admitted) if self.overloaded else admitted
        by = _DEEP_CUT if self.lag > self._very_late else _CUT
        self._best = max(self._best, admitted)
        self._capacity = max(before * by, self._best * _LEAST)
        self.overloaded = True

    def _divide(self, rates: list[float]) -> None:
        # Twice in a row: one long pause is no evidence of load.
        very_late = self.lag > self._very_late
        strict = very_late and self._was_very_late
        self._was_very_late = very_late
        self._average = _MORE * sum(rates) / max(len(rates), 1)
        # A single user takes nothing from others.
        share = fair_share(rates, self._capacity) if strict or len(rates) > 1 else math.inf
        self._shares.set_share(share, self._average, strict=strict)


class _Round:
    """Counters of one round, since ``began``."""

    __slots__ = ("_seconds", "_weighted", "admitted", "began", "refused")

    def __init__(self, began: float) -> None:
        self.began = began
        self.admitted = self.refused = 0
        self._seconds = self._weighted = 0.0

    def observe_lag(self, late: float) -> None:
        """Weight a measurement by its time, because a loop that hangs is measured seldom."""
        seconds = LOOK_SECONDS + late
        self._seconds += seconds
        self._weighted += late * seconds

    @property
    def lag(self) -> float:
        """Weighted mean of the measurements, in seconds."""
        return self._weighted / self._seconds
