"""When a worker has more to do than it can: who is served, and who is told to come back. Pure.

A worker is one event loop. When it can't keep up, everybody waits in its queue, whoever filled it,
and no limit on what one caller has at a time need be reached for that. What tells of it is
lateness: by how much a timer that is due comes too late, which is about what a request waits.

1. Looks, every :data:`LOOK_SECONDS`. While all is well nobody is counted; the first look that is
   late begins to count who asks how often.
2. Late on average in a whole round: overload. The capacity, as requests a second, is less than
   what was let in during the round. It is divided by max-min fairness
   (:mod:`proxy.overload_shares`), and whoever wants more than the share gets 429 for the rest. It
   is lowered while the worker stays late, and raised while it doesn't; once nobody had to be
   refused for a while, the overload is over.
3. Late, and more were refused than let in: then it is refusing that costs too much, for there are
   clients who don't heed Retry-After. Instead of the capacity, their pace is lowered: refusals are
   answered later (``hold``), and a connection doesn't ask again before it was answered.
4. Nobody at or below the average, nor below ``small`` requests a second, is refused, until the
   worker is *very* late: then they are cut, too, to the same share, and get 503.

Like CoDel (RFC 8289) it measures waiting, not load, so it needs no figure for what the machine can
do.
"""

import math
from typing import NamedTuple

from config.limit_settings import OverloadSettings
from proxy.overload_shares import ROUND_SECONDS, Shares, fair_share

LOOK_SECONDS = 0.05
"""How often the loop's lateness is looked at."""

QUIET_ROUNDS = 10
"""After so many rounds in which nothing was late and nobody refused, the overload is over."""

_CUT, _DEEP_CUT, _RAISE = 0.9, 0.7, 1.1
_LEAST = 0.25
"""The capacity isn't cut below this part of the most that was let in: where that brings nothing,
more of it only takes from those who could be served."""

_MORE = 1.2
"""Who asks for this much more than the average asks for more than others do."""

_LEAST_HOLD, _MOST_HOLD, _RELAX = 0.1, 5.0, 0.9
"""Seconds, and by how much they are lowered from round to round."""


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
        self.lateness = 0.0
        """By how many seconds what was due came too late, on average over the last round."""
        # Who is never late enough never counts.
        self._late = settings.late_ms / 1000 if settings.enabled else math.inf
        self._very_late = settings.very_late_ms / 1000
        self._shares = Shares(settings.small)
        self._now = 0.0
        self._round = _Round(0.0)
        self._refusals = 0
        self._hold = 0.0
        self._quiet = 0
        self._was_very_late = False
        self._capacity = self._best = self._average = 0.0

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
        if self.counting:
            self._round.look(late)
            if now - self._round.began >= ROUND_SECONDS:
                self._end_round(now - self._round.began)
                self._round = _Round(now)
        elif late > self._late:
            self.counting = True
            self._round = _Round(now)

    def admit(self, user: str, token: str) -> Refused | None:
        """Count a request of a user's token; None if it may begin."""
        refused = self._shares.admit(user, token, self._now)
        if refused is None:
            self._round.admitted += 1
            return None
        self._round.refused += 1
        greedy = refused.asks > self._average
        # Spread over some seconds, so that they don't all come back in the same one.
        return Refused(429 if greedy else 503, 1 + self._round.refused % (2 if greedy else 4))

    def turned_away(self) -> None:
        """A request that may begin doesn't, because of another limit."""
        self._round.admitted -= 1
        self._round.refused += 1

    def hold(self) -> float:
        """For how many seconds the next refusal is to be kept back before it is answered."""
        self._refusals += 1
        return self._hold * (0.5 + self._refusals % 8 / 8)  # not all of them at the same moment

    def _end_round(self, seconds: float) -> None:
        rates = self._shares.end_round(seconds)
        self.lateness = self._round.lateness
        late, refused = self.lateness > self._late, self._round.refused > 0
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
        """Take from what there is more of: refusals, or what is let in."""
        if self._round.refused > self._round.admitted:
            self._hold = min(max(2 * self._hold, _LEAST_HOLD), _MOST_HOLD)
            return
        admitted = self._round.admitted / seconds
        before = min(self._capacity, admitted) if self.overloaded else admitted
        by = _DEEP_CUT if self.lateness > self._very_late else _CUT
        self._best = max(self._best, admitted)
        self._capacity = max(before * by, self._best * _LEAST)
        self.overloaded = True

    def _divide(self, rates: list[float]) -> None:
        # Twice in a row: one long pause says nothing of what there is to do.
        very_late = self.lateness > self._very_late
        strict = very_late and self._was_very_late
        self._was_very_late = very_late
        self._average = _MORE * sum(rates) / max(len(rates), 1)
        # Who is alone takes nothing from anybody.
        share = fair_share(rates, self._capacity) if strict or len(rates) > 1 else math.inf
        self._shares.set_share(share, self._average, strict=strict)


class _Round:
    """What happened since ``began``."""

    __slots__ = ("_seconds", "_weighted", "admitted", "began", "refused")

    def __init__(self, began: float) -> None:
        self.began = began
        self.admitted = self.refused = 0
        self._seconds = self._weighted = 0.0

    def look(self, late: float) -> None:
        """Weigh a look by the time for which it stands: a loop that hangs is looked at seldom."""
        seconds = LOOK_SECONDS + late
        self._seconds += seconds
        self._weighted += late * seconds

    @property
    def lateness(self) -> float:
        """The mean of the looks, in seconds."""
        return self._weighted / self._seconds
