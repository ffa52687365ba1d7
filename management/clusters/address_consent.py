"""An operator's consent to a cluster's addresses, given by an import on the server itself.

An operator who runs the command line with the server's database can reach what the server reaches.
Therefore the current addresses of the cluster are trusted for that cluster, even if they are
refused by default (loopback on a single machine). Addresses that the same name gets later are not
trusted, and neither are addresses that the settings refuse.
"""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from config.address_policy import AddressPolicy
from management.kubernetes.endpoint import ClusterEndpoint
from providers.network.checked_connections import on_this_machine
from providers.network.name_lookups import LOOKUPS


async def with_consent(
    endpoint: ClusterEndpoint, policy: AddressPolicy
) -> tuple[ClusterEndpoint, list[str]]:
    """Return the endpoint with its current addresses trusted, and sentences for the operator.

    The sentences name the addresses that are refused by default.
    """
    trusted: list[str] = []
    sentences: list[str] = []
    for address, port in await _addresses(endpoint.servers):
        here = policy.has_listener(port) and on_this_machine(address)
        refusal = policy.refusal(address, port, this_machine=here)
        if refusal is not None and policy.may_be_trusted(address, port, this_machine=here):
            trusted.append(address)
            sentences.append(f"{refusal}; allowed for this cluster, as you import it here")
    return replace(endpoint, addresses=policy.trusting(trusted)), sentences


async def _addresses(servers: Sequence[str]) -> list[tuple[str, int]]:
    """Return the current addresses of the servers. A name without addresses fails later."""
    found: dict[tuple[str, int], None] = {}
    for server in servers:
        parts = urlsplit(server)
        port = parts.port or 443
        try:
            infos = await LOOKUPS.look_up(parts.hostname or "", port)
        except (OSError, UnicodeError):
            continue
        found |= {(str(info[4][0]), port): None for info in infos}
    return list(found)
