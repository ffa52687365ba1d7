"""Sign-ins that the provider did not answer are counted."""

import pytest

from management.identity.sign_in_counts import SignInCounts
from providers.base import ProviderUnavailable, Throttled


@pytest.mark.parametrize(
    ("exception", "outcome"),
    [(Throttled(5), "throttled"), (ProviderUnavailable("no response"), "unavailable")],
)
def test_failure_of_a_sign_in_is_counted_and_raised(exception: Exception, outcome: str) -> None:
    counts = SignInCounts()
    with pytest.raises(type(exception)), counts.failures("corp"):
        raise exception
    assert counts.items() == [(("corp", outcome), 1)]


def test_sign_in_without_failure_is_not_counted_here() -> None:
    counts = SignInCounts()
    with counts.failures("corp"):
        pass
    assert counts.items() == []
