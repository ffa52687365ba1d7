"""Test a provider's configuration: a sign-in with a password, or whether the backend responds.

Managers of providers choose the servers that a provider connects to. A test by a user who is not an
administrator reveals nothing of the server's internal network: it connects only to addresses that
clusters may have too, and only administrators and the log see the errors.
"""

from dataclasses import dataclass

from aiohttp import web

from config.address_policy import ANY_ADDRESS, AddressPolicy
from config.loggers import get_logger
from management.api.authentication import caller_of
from management.api.services import services_of
from management.http.problem import REQUEST_ID, ApiProblem
from management.identity.principal_ownership import Ownership
from management.identity.provider_instance import ProviderInstance, ProviderSpec
from management.identity.provider_registry import ProviderRegistry
from management.identity.sign_in_policy import SignInPolicy
from providers.base import (
    ExternalIdentity,
    PasswordAttempt,
    PasswordAuthenticator,
    ProviderUnavailable,
    Throttled,
)
from providers.findings import HasFindings
from providers.throttle import ThrottledAuthenticator
from store.interfaces import Store

NOT_AVAILABLE = (
    "the provider cannot be used as configured; administrators see the reason, and the log has it"
)

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProviderTester:
    """A caller who tests providers: the addresses for tests, and whether errors are shown."""

    administrator: bool
    addresses: AddressPolicy
    request_id: str

    def shown(self, provider: str, reason: str) -> str:
        """Return what the caller sees of a backend's error; the log has all of it."""
        if self.administrator:
            return reason
        _LOG.warning(
            "provider test failed", provider=provider, request_id=self.request_id, error=reason
        )
        return NOT_AVAILABLE

    def shown_error(self, running: ProviderInstance) -> str | None:
        """Return what the caller sees of a provider's error."""
        if self.administrator or running.error is None or running.unusable or running.unconfirmed:
            return running.error
        return NOT_AVAILABLE


def tester_of(request: web.Request) -> ProviderTester:
    """Return the caller of a request as a tester of providers."""
    administrator = caller_of(request).access.administrator
    addresses = ANY_ADDRESS if administrator else services_of(request).cluster_addresses
    return ProviderTester(administrator, addresses, request[REQUEST_ID])


async def run_test(
    tester: ProviderTester,
    registry: ProviderRegistry,
    running: ProviderInstance,
    spec: ProviderSpec,
    attempt: PasswordAttempt | None,
) -> dict[str, object]:
    """Return the result of testing ``spec`` in place of ``running``. No session is issued."""
    known = running.capabilities.password if running.capabilities is not None else None
    counters = known if isinstance(known, ThrottledAuthenticator) else None
    return await _run(tester, registry, running, spec, attempt, counters)


async def run_trial(
    tester: ProviderTester,
    registry: ProviderRegistry,
    store: Store,
    spec: ProviderSpec,
    attempt: PasswordAttempt | None,
) -> dict[str, object]:
    """Return the result of testing a spec that is not stored. All trials share their counters."""
    policy = SignInPolicy(store, spec.name, spec.access)
    declared = Ownership({one: one for one in spec.declared})
    instance = ProviderInstance(spec, policy, declared)
    return await _run(tester, registry, instance, spec, attempt, registry.trial_counters)


async def _run(
    tester: ProviderTester,
    registry: ProviderRegistry,
    running: ProviderInstance,
    spec: ProviderSpec,
    attempt: PasswordAttempt | None,
    counters: ThrottledAuthenticator | None,
) -> dict[str, object]:
    try:
        provider = await registry.create_for_test(spec, tester.addresses)
    except Exception as exc:  # a failing start is a result of the test
        reason = str(exc) or type(exc).__name__
        return _unavailable(reason if running.unusable else tester.shown(spec.name, reason))
    try:
        if attempt is None:
            await provider.check()
            return {"outcome": "reachable", "reason": "", "warnings": findings_of(running)}
        if not isinstance(provider, PasswordAuthenticator):
            raise ApiProblem(
                422, "this provider has no sign-in with a password: leave username and password out"
            )
        throttled = counters.around(provider) if counters is not None else provider
        outcome = await throttled.authenticate(attempt)
    except Throttled as exc:
        return _unavailable(str(exc))
    except ProviderUnavailable as exc:
        return _unavailable(tester.shown(spec.name, str(exc)))
    finally:
        await provider.close()
    if not isinstance(outcome, ExternalIdentity):
        reason, detail = (outcome.reason, outcome.detail) if outcome else ("refused", "")
        return {"outcome": "refused", "reason": reason, "detail": detail}
    return await _accepted(running, outcome)


def findings_of(running: ProviderInstance) -> list[str]:
    """Return the warnings about a provider's settings that sign-ins have found."""
    provider: object = running.provider
    return list(provider.findings()) if isinstance(provider, HasFindings) else []


async def _accepted(running: ProviderInstance, outcome: ExternalIdentity) -> dict[str, object]:
    outcome = running.ownership.identity(outcome)
    groups = [group.principal_id for group in outcome.groups]
    refusal = await running.policy.refusal(outcome.principal_id, groups)
    return {
        "outcome": "refused" if refusal else "accepted",
        "reason": refusal.reason if refusal else "",
        "principal": outcome.principal_id,
        "username": outcome.username,
        "display_name": outcome.display_name,
        "groups": [{"id": one.principal_id, "display_name": one.name} for one in outcome.groups],
    }


def _unavailable(reason: str) -> dict[str, object]:
    return {"outcome": "unavailable", "reason": reason}
