"""Records of which provider owns which principals, and rules about them. Pure.

A scheme belongs to one provider permanently, even if that provider is disabled, has failed or was
deleted. The provider that claims a scheme first gets the name that its type declares
(``openldap_group``). Another provider of the same type gets its own name for it
(``openldap_lab_group``). A principal's id alone therefore identifies the provider, in bindings,
access modes, headers for clusters, and audit events.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOCAL = "local"
"""The scheme of accounts in the store. No provider claims it."""


class BackendChanged(Exception):
    """A provider's principals belong to another issuer or directory than the configured one."""

    def __init__(self, provider: str, kept: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        changed = sorted(key for key in {*kept, *now} if kept.get(key) != now.get(key))
        was = ", ".join(f"{key} {_shown(kept.get(key))}" for key in changed)
        wanted = ", ".join(f"{key} {_shown(now.get(key))}" for key in changed)
        super().__init__(
            f"the principals of provider {provider} belong to {was}, not to {wanted}: give the "
            f"provider another name, or let an administrator confirm that they are the same users "
            f"(`sekisho admin provider adopt {provider}`; over the API, adopt_principals: true)"
        )
        self.provider = provider


@dataclass(frozen=True, slots=True)
class ProviderClaim:
    """The schemes of a provider. ``schemes`` maps declared schemes to the names that it owns.

    ``backend`` identifies its issuer or directory; None: unknown, from an older version.
    ``in_use``: it has users or groups, or a binding names a group of its schemes.
    """

    provider: str
    backend: Mapping[str, Any] | None
    schemes: Mapping[str, str]
    in_use: bool = True

    def owns(self, declared: Sequence[str]) -> bool:
        """Return whether every declared scheme has its name."""
        return all(one in self.schemes for one in declared)


def same_backend(kept: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether both identify the same issuer or directory.

    For lists (servers), one common member is enough: servers are replaced one by one, and a list
    without a common member belongs to another directory.
    """
    if kept.keys() != now.keys():
        return False
    return all(
        bool(set(kept[key]) & set(now[key])) or kept[key] == now[key]
        if isinstance(kept[key], list) and isinstance(now[key], list)
        else kept[key] == now[key]
        for key in kept
    )


def scheme_names(declared: str, provider: str) -> Iterator[str]:
    """Yield the possible names of a declared scheme at ``provider``, the preferred one first."""
    if declared != LOCAL:
        yield declared
    head, underscore, tail = declared.rpartition("_")
    yield f"{head}_{provider}_{tail}" if underscore else f"{declared}_{provider}"
    yield f"{declared}.{provider}"


def _shown(value: Any) -> str:
    if value is None:
        return "(not set)"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
