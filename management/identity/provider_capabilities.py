"""A provider as people come in through it: the ways that it has, and what it may say of them."""

from dataclasses import dataclass

from management.admission import Admission
from providers.base import (
    BearerVerifier,
    BrowserAuthenticator,
    DeviceAuthenticator,
    GrantRevoker,
    LogoutListener,
    PasswordAuthenticator,
    Provider,
)


@dataclass(frozen=True, slots=True, eq=False)
class Door:
    """One door: ``schemes`` are those of the principals behind it, ``admission`` who may pass.

    Each way is there where the provider has it; ``password`` is throttled already.
    """

    schemes: tuple[str, ...]
    admission: Admission
    password: PasswordAuthenticator | None = None
    browser: BrowserAuthenticator | None = None
    device: DeviceAuthenticator | None = None
    bearer: BearerVerifier | None = None
    logout: LogoutListener | None = None
    grants: GrantRevoker | None = None

    @classmethod
    def to(
        cls,
        provider: Provider,
        schemes: tuple[str, ...],
        admission: Admission,
        password: PasswordAuthenticator | None,
    ) -> "Door":
        """The door to ``provider``, with every way that it has."""
        way: object = provider
        return cls(
            schemes,
            admission,
            password,
            browser=way if isinstance(way, BrowserAuthenticator) else None,
            device=way if isinstance(way, DeviceAuthenticator) else None,
            bearer=way if isinstance(way, BearerVerifier) else None,
            logout=way if isinstance(way, LogoutListener) else None,
            grants=way if isinstance(way, GrantRevoker) else None,
        )

    @property
    def methods(self) -> list[str]:
        """How people sign in through it, the most usual way first."""
        ways = {"password": self.password, "browser": self.browser, "device": self.device}
        return [name for name, way in ways.items() if way is not None]
