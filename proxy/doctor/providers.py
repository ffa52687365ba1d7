"""Check each provider: its settings, and whether its server responds to Sekisho's account."""

import asyncio
from collections.abc import Iterator, Sequence

from management.identity.provider_instance import InvalidProvider, ProviderSpec, validated_spec
from management.identity.provider_registry import ProviderRegistry
from providers.base import ProviderUnavailable
from proxy.doctor.findings import Finding, error, ok, skipped
from store.records import StoredProvider

SECONDS = 20.0
"""The time limit for one provider."""


def specs_of(
    registry: ProviderRegistry,
    configured: Sequence[ProviderSpec],
    stored: Sequence[StoredProvider],
    findings: list[Finding],
) -> Iterator[ProviderSpec]:
    """Yield the valid providers, and add findings about the others."""
    yield from configured
    for one in stored:
        if one.unreadable:
            continue  # The check of sealed records reports it.
        try:
            yield validated_spec(one, registry.types)
        except InvalidProvider as exc:
            remedy = "correct its settings: sekisho provider edit"
            findings.append(error("provider", f"provider {one.name}", str(exc), remedy))


async def check_providers(
    registry: ProviderRegistry, specs: Sequence[ProviderSpec]
) -> list[Finding]:
    """Return a finding about each provider."""
    return list(await asyncio.gather(*(_check(registry, one) for one in specs)))


async def _check(registry: ProviderRegistry, spec: ProviderSpec) -> Finding:
    subject = f"provider {spec.name}"
    if not spec.enabled:
        return skipped("provider", subject, "is disabled")
    try:
        async with asyncio.timeout(SECONDS):
            provider = await registry.create_for_test(spec)
            try:
                await provider.check()
            finally:
                await provider.close()
    except (ProviderUnavailable, TimeoutError) as exc:
        reason = str(exc) or "it did not respond in time"
    except Exception as exc:  # A provider of a third party may raise anything.
        reason = f"{type(exc).__name__}: {exc}"
    else:
        return ok("provider", subject, f"{spec.type_name} responds")
    remedy = "check its address, certificate, and the account by which Sekisho reads it"
    return error("provider", subject, reason, remedy)
