"""The ways to authenticate at one provider, and which principals it owns."""

from dataclasses import dataclass

from management.identity.principal_ownership import (
    OwnBearers,
    OwnBrowser,
    OwnDevices,
    Ownership,
    OwnGrants,
    OwnLogouts,
    capability,
)
from management.identity.sign_in_policy import SignInPolicy
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
class ProviderCapabilities:
    """The capabilities of one running provider. A capability that it lacks is None.

    ``schemes`` are the schemes of its principals, ``policy`` decides who may sign in. ``password``
    is throttled.
    """

    schemes: tuple[str, ...]
    policy: SignInPolicy
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
        ownership: Ownership,
        policy: SignInPolicy,
        password: PasswordAuthenticator | None,
    ) -> "ProviderCapabilities":
        """Return the capabilities of ``provider``."""
        subject: object = provider
        return cls(
            ownership.owned,
            policy,
            password,
            browser=capability(subject, BrowserAuthenticator, OwnBrowser, ownership),  # type: ignore[type-abstract]
            device=capability(subject, DeviceAuthenticator, OwnDevices, ownership),  # type: ignore[type-abstract]
            bearer=capability(subject, BearerVerifier, OwnBearers, ownership),  # type: ignore[type-abstract]
            logout=capability(subject, LogoutListener, OwnLogouts, ownership),  # type: ignore[type-abstract]
            grants=capability(subject, GrantRevoker, OwnGrants, ownership),  # type: ignore[type-abstract]
        )

    @property
    def methods(self) -> list[str]:
        """Return the ways to sign in, the most usual one first."""
        ways = {"password": self.password, "browser": self.browser, "device": self.device}
        return [name for name, way in ways.items() if way is not None]
