"""Recent request rates, and fair shares while capacity does not suffice for all. Pure.

Max-min fairness: requests within the fair share are served, and the unused part is divided among
the other users. The tokens of a user divide the user's share in the same way, so that a pipeline
does not take it from its owner. Both are token buckets.
"""

import math
from collections.abc import Iterable

MOST_PARTS = 10_000
"""Users and tokens that are counted at a time. Requests of further ones pass uncounted."""

ROUND_SECONDS = 0.5
"""Time for which requests are counted before the shares are computed again."""

BURST_SECONDS = 0.1
"""Time for which an unused share accumulates, to be used in one burst."""

_FADE = 0.7
_FADED = 0.5
"""Factor by which a rate decays from round to round, because a client that waits for a response
sends nothing and is still there. Below _FADED requests per second the consumer is dropped."""


def fair_share(demands: Iterable[float], capacity: float) -> float:
    """Return the share with which all together use ``capacity``; inf if it suffices."""
    ordered = sorted(demands)
    for index, demand in enumerate(ordered):
        each = capacity / (len(ordered) - index)
        if demand > each:
            return each
        capacity -= demand
    return math.inf


class Consumer:
    """One user, or one token of a user: requests in this round, and a token bucket."""

    __slots__ = ("allowance", "begun", "rate", "refilled_at", "tokens")

    def __init__(self, allowance: float, now: float) -> None:
        self.begun = 0
        self.rate = 0.0
        """Recent requests per second, including rejected ones."""
        self.allowance = allowance
        self.refilled_at = now
        self.tokens: dict[str, Consumer] = {}

    @property
    def demand(self) -> float:
        """Requests per second, estimated from this round for a new consumer."""
        return self.rate or self.begun / ROUND_SECONDS

    def refill(self, share: float, burst: float, now: float) -> None:
        """Refill the bucket with ``share`` per second since the last time."""
        self.allowance = min(burst, self.allowance + (now - self.refilled_at) * share)
        self.refilled_at = now


class FairShares:
    """The consumers and their shares. A rate of ``small`` per second is rejected only if strict."""

    def __init__(self, small: float) -> None:
        self._users: dict[str, Consumer] = {}
        self._parts = 0
        self._small = small
        self._burst = small
        self._spared = 0.0
        self.share = math.inf
        """Requests per second that one user may have."""

    def __len__(self) -> int:
        return self._parts

    def admit(self, user: str, token: str, now: float) -> Consumer | None:
        """Count a request. Return None if it may begin, or the user whose share is used up."""
        user_part = self._part(self._users, user, now)
        if user_part is None:
            return None
        user_part.begun += 1
        token_part = self._part(user_part.tokens, token, now)
        if token_part is not None:
            token_part.begun += 1
        return None if math.isinf(self.share) else self._take(user_part, token_part, now)

    def set_share(self, share: float, spared: float, *, strict: bool) -> None:
        """Set the requests per second that one user may have.

        Users with at most ``spared`` requests per second, or few, are not rejected, unless the
        share is ``strict``.
        """
        least = 1.0 if strict else self._small
        self.share = max(share, least)
        self._burst = max(self.share * BURST_SECONDS, least)
        self._spared = 0.0 if strict else spared

    def end_round(self, seconds: float) -> list[float]:
        """Drop inactive consumers, and return the rates of the other users."""
        self._users = _active(self._users, seconds)
        self._parts = len(self._users)
        for user in self._users.values():
            user.tokens = _active(user.tokens, seconds)
            self._parts += len(user.tokens)
        return [user.rate for user in self._users.values()]

    def forget(self) -> None:
        """Drop all consumers."""
        self._users, self._parts, self.share = {}, 0, math.inf

    def _take(
        self, user_part: Consumer, token_part: Consumer | None, now: float
    ) -> Consumer | None:
        share, burst = self.share, self._burst
        user_part.refill(share, burst, now)
        allowed = user_part.allowance >= 1
        if token_part is not None:
            count = len(user_part.tokens)
            token_part.refill(share / count, max(burst / count, 1.0), now)
            # A token with a low rate has its share even if others have used up the user's: together
            # the tokens have at most the user's share a second time.
            allowed = allowed or (count > 1 and token_part.allowance >= 1)
            if allowed:
                token_part.allowance = max(token_part.allowance - 1, 0)
        if not allowed and user_part.demand > self._spared:
            return user_part
        user_part.allowance = max(user_part.allowance - 1, 0)
        return None

    def _part(self, parts: dict[str, Consumer], key: str, now: float) -> Consumer | None:
        found = parts.get(key)
        if found is None and self._parts < MOST_PARTS:
            found = parts[key] = Consumer(self._small, now)
            self._parts += 1
        return found


def _active(parts: dict[str, Consumer], seconds: float) -> dict[str, Consumer]:
    """Return the consumers that are still active, ready for the next round."""
    for part in parts.values():
        part.rate = max(part.begun / seconds, part.rate * _FADE)
        part.begun = 0
    return {key: part for key, part in parts.items() if part.rate >= _FADED}
