"""How long tokens live: from settings to what issues them."""

from datetime import timedelta

from config.settings import Settings
from management.tokens import Lifetimes


def lifetimes(settings: Settings) -> Lifetimes:
    """How long tokens live, as configured."""
    return Lifetimes(
        session=settings.sessions.ttl,
        default=settings.tokens.default_ttl,
        kubeconfig=settings.tokens.kubeconfig_ttl,
        most=settings.tokens.max_ttl,
        renewable=settings.sessions.renewable_for or timedelta(0),
    )
