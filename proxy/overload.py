"""When a worker has more to do than it can: who is served, and who is told to come back. Pure.

A worker is one event loop. When it can't keep up, everybody waits in its queue, whoever filled it,
and no limit on what one caller has at a time need be reached for that. What tells of it is
lateness: by how much a timer that is due comes too late, which is about what a request waits.

1. Looks, every :data:`LOOK_SECONDS`. The middle one of the last few is the lateness: one pause (a
   large body, the garbage collector) is no overload.
2. The first look that is late begins to count who asks how often. While all is well nobody is
   counted.
3. Late for a whole round: overload. The capacity, as requests a second, is less than what was let
   in during the round. It is divided by max-min fairness (:mod:`proxy.overload_shares`), and
   whoever wants more than the share gets 429 for the rest. It is lowered while the worker stays
   late, and raised while it doesn't; once nobody had to be refused for a round, the overload is
   over.
4. Still late, a round after somebody was refused: then it is refusing that costs too much, for
   there are clients who don't heed Retry-After. Their refusals are answered later (``hold``), so
   that each of their connections asks a few times a second at most.
5. Nobody at or below the average, nor below ``small`` requests a second, is refused, until the
   worker is *very* late: then they are cut, too, to the same share, and get 503.

Like CoDel (RFC 8289) it measures waiting, not load, so it needs no figure for what the machine can
do.
"""

import math
from collections import deque
from statistics import median
from typing import NamedTuple

from config.limit_settings import OverloadSettings
from proxy.overload_shares import Shares, fair_share

LOOK_SECONDS = 0.05
"""How often the loop's lateness is looked at."""

ROUND_SECONDS = 1.0
"""For how long requests are counted before the shares are set."""

_LOOKS = 5
_CUT, _DEEP_CUT, _RAISE = 0.9, 0.7, 1.1
_LEAST = 0.25
"""The capacity isn't cut below this part of the most that was let in: refusing has its price, too,
and where it brings nothing any more, more of it only takes from those who could be served."""

_HOLD_STEP, _MOST_HOLD = 0.25, 1.0
"""Seconds; a refusal is held no longer than whoever heeds it waits anyway."""


class Refused(NamedTuple):
    """429: this user has had more than others; 503: there isn't enough for anybody."""

    code: int
    retry_after: int
    """Seconds."""


class OverloadGuard:
    """Decides for one worker. Feed it with :meth:`look`; ask :meth:`admit` while ``counting``."""

    def __init__(self, settings: OverloadSettings) -> None:
        self.counting = False
        """Whether requests have to be asked for: read for each, so it is a plain attribute."""
        self.overloaded = False
        self.refusals = 0
        self.hold = 0.0
        """For how many seconds a refusal should be kept back before it is answered."""
        # Who is never late enough never counts.
        self._late = settings.late_ms / 1000 if settings.enabled else math.inf
        self._very_late = settings.very_late_ms / 1000
        self._small = settings.small
        self._looks: deque[float] = deque([0.0] * _LOOKS, maxlen=_LOOKS)
        self._shares = Shares(first=settings.small)
        self._now = 0.0
        self._round_began = 0.0
        self._admitted = 0
        self._refused = 0
        self._capacity = self._best = self._average = 0.0

    @property
    def lateness(self) -> float:
        """By how many seconds what is due comes too late: the middle one of the last looks."""
        return median(self._looks)

    @property
    def share(self) -> float:
        """Requests a second that one user may begin; inf where nothing is refused."""
        return self._shares.share

    @property
    def known(self) -> int:
        """How many users and tokens are counted."""
        return len(self._shares)

    def look(self, now: float, late: float) -> None:
        """Take down that a timer came ``late`` seconds too late, at ``now`` (monotonic)."""
        self._now = now
        self._looks.append(late)
        if not self.counting:
            if late > self._late:
                self.counting = True
                self._begin_round(now)
        elif now - self._round_began >= ROUND_SECONDS:
            self._end_round(now - self._round_began)
            self._begin_round(now)

    def admit(self, user: str, token: str) -> Refused | None:
        """Count a request of a user's token; None if it may begin."""
        refused = self._shares.admit(user, token, self._now)
        if refused is None:
            self._admitted += 1
            return None
        self._refused += 1
        self.refusals += 1
        greedy = max(refused.rate, refused.begun / ROUND_SECONDS) > self._average
        # Spread over some seconds, so that they don't all come back in the same one.
        return Refused(429 if greedy else 503, 1 + self.refusals % (2 if greedy else 4))

    def turned_away(self) -> None:
        """A request that may begin doesn't, because of another limit."""
        self._admitted -= 1
        self._refused += 1

    def _begin_round(self, now: float) -> None:
        self._round_began = now
        self._admitted = self._refused = 0

    def _end_round(self, seconds: float) -> None:
        rates = self._shares.end_round(seconds)
        lateness = self.lateness
        if lateness > self._late:
            if self._refused:
                self.hold = min(self.hold + _HOLD_STEP, _MOST_HOLD)
            self._cut(self._admitted / seconds, _DEEP_CUT if self._very(lateness) else _CUT)
        elif self._refused and self.overloaded:
            self.hold /= 2
            self._capacity *= _RAISE
        else:
            self._end()
            return
        self._average = sum(rates) / max(len(rates), 1)
        self._shares.share = self._share(rates, lateness)

    def _end(self) -> None:
        self.counting = self.overloaded = False
        self._best = self.hold = 0.0
        self._shares.forget()

    def _cut(self, admitted: float, by: float) -> None:
        self._best = max(self._best, admitted)
        before = min(self._capacity, admitted) if self.overloaded else admitted
        self._capacity = max(before * by, self._best * _LEAST)
        self.overloaded = True

    def _share(self, rates: list[float], lateness: float) -> float:
        share = fair_share(rates, self._capacity)
        if self._very(lateness):
            return max(share, 1.0)
        if len(rates) < 2:  # Who is alone takes nothing from anybody.
            return math.inf
        return max(share, self._average, self._small)

    def _very(self, lateness: float) -> bool:
        return lateness > self._very_late
