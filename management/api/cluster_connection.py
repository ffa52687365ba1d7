"""A cluster's address, CA and credential in the API: given with an import, and changed later.

Sekisho's tokens for a cluster are never sent to an address that a user has chosen. A caller who
changes the address or the CA must send an administrator's credential, and Sekisho creates new
tokens with it (CVE-2024-5967 is this mistake in another server).
"""

import asyncio
from dataclasses import replace
from typing import Annotated

from pydantic import Field, SecretStr

from config.address_policy import AddressPolicy
from management.api.request_models import RequestModel
from management.clusters.kubeconfig_import import checked_token, from_kubeconfig_text
from management.errors import InvalidRequest
from management.kubernetes.cluster_client import dialer_of, endpoint_of
from management.kubernetes.endpoint import (
    SERVER_NAME_PATTERN,
    ClusterCredential,
    ClusterEndpoint,
    checked_servers,
)
from store.records import Cluster

Server = Annotated[str, Field(max_length=2048)]


class ClusterConnection(RequestModel):
    """A cluster's connection. A change needs ``kubeconfig`` or ``token``: neither is stored or
    shown.
    """

    servers: Annotated[list[Server], Field(max_length=16)] | None = None
    ca_pem: Annotated[str, Field(max_length=60_000)] | None = None
    tls_server_name: Annotated[str, Field(pattern=SERVER_NAME_PATTERN)] | None = None
    kubeconfig: Annotated[SecretStr, Field(max_length=60_000)] | None = None
    context: Annotated[str, Field(max_length=256)] | None = None
    token: Annotated[SecretStr, Field(max_length=16_384)] | None = None


async def changed_connection(
    cluster: Cluster, connection: ClusterConnection, policy: AddressPolicy
) -> tuple[ClusterEndpoint, ClusterCredential] | None:
    """Return the new endpoint and an administrator's credential for it; None if nothing changes.

    A cluster that is reached by its agent still is: the change is verified there, too.

    Raises:
        InvalidRequest: the request has no credential, or an invalid address.
        InvalidKubeconfig: the kubeconfig cannot be used.
    """
    other_servers = connection.servers is not None and tuple(connection.servers) != cluster.servers
    other_name = connection.tls_server_name != cluster.tls_server_name
    given = connection.kubeconfig is not None or connection.token is not None
    if not (other_servers or other_name or given or connection.ca_pem is not None):
        return None
    if (connection.kubeconfig is None) == (connection.token is None):
        raise InvalidRequest(
            "send kubeconfig or token as well, with an administrator's credential of that cluster: "
            "Sekisho does not send its stored tokens to a new address"
        )
    endpoint, credential = await _given(cluster, connection)
    if other_servers:
        endpoint = replace(endpoint, servers=checked_servers(connection.servers or ()))
    if connection.ca_pem is not None:
        endpoint = replace(endpoint, ca_pem=connection.ca_pem)
    if other_name:
        endpoint = replace(endpoint, tls_server_name=connection.tls_server_name)
    if not endpoint.servers:
        raise InvalidRequest("a cluster needs at least one server")
    # The operator's trust covers the addresses of that import only.
    same = set(endpoint.servers) <= set(cluster.servers)
    trusted = cluster.trusted_addresses if same else ()
    addresses = policy.trusting(trusted)
    return replace(endpoint, addresses=addresses, dialer=dialer_of(cluster)), credential


async def _given(
    cluster: Cluster, connection: ClusterConnection
) -> tuple[ClusterEndpoint, ClusterCredential]:
    if connection.kubeconfig is not None:
        text = connection.kubeconfig.get_secret_value()
        access = await asyncio.to_thread(from_kubeconfig_text, text, connection.context)
        return access.endpoint, access.credential
    assert connection.token is not None
    token = checked_token(connection.token.get_secret_value())
    return endpoint_of(cluster), ClusterCredential(token=token)
