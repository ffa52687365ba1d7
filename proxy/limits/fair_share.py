"""Who has had how much lately, and what each may have while there isn't enough for all. Pure.

Max-min fairness: whoever wants less than the share has all of it, and what they leave is divided
among the others. Shares are those of users; the tokens of a user divide the user's share in the
same way, so that a pipeline doesn't take it from the person who owns it. Both are token buckets.
"""

import math
from collections.abc import Iterable

MOST_PARTS = 10_000
"""Users and tokens that are known at a time. Whoever comes after them is let in, unaccounted."""

ROUND_SECONDS = 0.5
"""For how long requests are counted before the shares are set anew."""

BURST_SECONDS = 0.1
"""For how long a share may be left unused and then be used at once."""

_FADE = 0.7
_FADED = 0.5
"""A rate fades from round to round, for who waits for an answer asks for nothing and is there all
the same; below this many requests a second the part is forgotten."""


def fair_share(demands: Iterable[float], capacity: float) -> float:
    """The most that one may have so that all have ``capacity`` together; inf if there is enough."""
    ordered = sorted(demands)
    for index, demand in enumerate(ordered):
        each = capacity / (len(ordered) - index)
        if demand > each:
            return each
        capacity -= demand
    return math.inf


class Part:
    """What one user, or one token of a user's, has begun in this round and may still begin."""

    __slots__ = ("allowance", "begun", "rate", "refilled_at", "tokens")

    def __init__(self, allowance: float, now: float) -> None:
        self.begun = 0
        self.rate = 0.0
        """Requests a second lately, those refused included."""
        self.allowance = allowance
        self.refilled_at = now
        self.tokens: dict[str, Part] = {}

    @property
    def asks(self) -> float:
        """Requests a second, as far as that can be known of who has just come."""
        return self.rate or self.begun / ROUND_SECONDS

    def refill(self, share: float, burst: float, now: float) -> None:
        """Add what ``share`` a second has come to since the last time."""
        self.allowance = min(burst, self.allowance + (now - self.refilled_at) * share)
        self.refilled_at = now


class Shares:
    """Everybody's part. Of ``small`` requests a second, and at once, nobody is kept easily."""

    def __init__(self, small: float) -> None:
        self._users: dict[str, Part] = {}
        self._parts = 0
        self._small = small
        self._burst = small
        self._spared = 0.0
        self.share = math.inf
        """Requests a second that one user may have."""

    def __len__(self) -> int:
        return self._parts

    def admit(self, user: str, token: str, now: float) -> Part | None:
        """Count a request. None if it may begin, or else the user's part, which is used up."""
        mine = self._part(self._users, user, now)
        if mine is None:
            return None
        mine.begun += 1
        own = self._part(mine.tokens, token, now)
        if own is not None:
            own.begun += 1
        return None if math.isinf(self.share) else self._take(mine, own, now)

    def set_share(self, share: float, spared: float, *, strict: bool) -> None:
        """What one user may have from now on.

        Who asks for no more than ``spared`` a second is not refused, nor who asks for little;
        unless it is ``strict``.
        """
        least = 1.0 if strict else self._small
        self.share = max(share, least)
        self._burst = max(self.share * BURST_SECONDS, least)
        self._spared = 0.0 if strict else spared

    def end_round(self, seconds: float) -> list[float]:
        """Forget who is gone; the rates of the others."""
        self._users = _active(self._users, seconds)
        self._parts = len(self._users)
        for user in self._users.values():
            user.tokens = _active(user.tokens, seconds)
            self._parts += len(user.tokens)
        return [user.rate for user in self._users.values()]

    def forget(self) -> None:
        """Forget everybody."""
        self._users, self._parts, self.share = {}, 0, math.inf

    def _take(self, mine: Part, own: Part | None, now: float) -> Part | None:
        share, burst = self.share, self._burst
        mine.refill(share, burst, now)
        allowed = mine.allowance >= 1
        if own is not None:
            count = len(mine.tokens)
            own.refill(share / count, max(burst / count, 1.0), now)
            # A token that wants little has its share even when the others have used the user's up:
            # all tokens together have at most the user's share once more.
            allowed = allowed or (count > 1 and own.allowance >= 1)
            if allowed:
                own.allowance = max(own.allowance - 1, 0)
        if not allowed and mine.asks > self._spared:
            return mine
        mine.allowance = max(mine.allowance - 1, 0)
        return None

    def _part(self, parts: dict[str, Part], key: str, now: float) -> Part | None:
        found = parts.get(key)
        if found is None and self._parts < MOST_PARTS:
            found = parts[key] = Part(self._small, now)
            self._parts += 1
        return found


def _active(parts: dict[str, Part], seconds: float) -> dict[str, Part]:
    """Those that are still there, ready for the next round."""
    for part in parts.values():
        part.rate = max(part.begun / seconds, part.rate * _FADE)
        part.begun = 0
    return {key: part for key, part in parts.items() if part.rate >= _FADED}
