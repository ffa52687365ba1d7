"""Bodies of the requests that register a cluster, and the state in a manifest's code."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from management.api.agent_fields import AgentFields
from management.api.request_models import Reference, RequestModel
from management.clusters.cluster_identity import NAME
from management.identity.sealed_state import SealedState
from management.kubernetes.endpoint import SERVER_NAME_PATTERN
from store.records import UsernameMapping


class NewRegistration(AgentFields):
    """A cluster that will register itself.

    ``servers`` are its API servers as Sekisho reaches them. With ``reach: agent``, an agent in the
    cluster connects to Sekisho instead, and the other fields say how its pods run. ``image`` is
    Sekisho's image, as the cluster can pull it.
    """

    name: Annotated[str, Field(pattern=NAME.pattern)]
    reach: Literal["direct", "agent"] = "direct"
    servers: Annotated[list[Reference], Field(min_length=1, max_length=16)] | None = None
    tls_server_name: Reference | None = None
    username_mapping: UsernameMapping = "id"

    @model_validator(mode="after")
    def _fields_of_one_way(self) -> Self:
        direct = {"servers", "tls_server_name"}
        agents = AgentFields.model_fields.keys() - {"image"}
        for name in sorted(self.model_fields_set & (agents if self.reach == "direct" else direct)):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} does not go with reach: {self.reach}; leave it out")
        if self.reach == "direct" and self.servers is None:
            raise ValueError("servers is required, unless reach is agent")
        return self


class RegistrationState(SealedState):
    """The state of a registration. ``user`` requested it, with the token named ``token``.

    ``token`` is None for a session: it may end before the code is used. ``cluster`` is the id of
    the pending cluster, if it is reached by an agent.
    """

    purpose_name = "cluster-registration"

    name: str
    servers: Annotated[tuple[str, ...], Field(min_length=1)]
    tls_server_name: str | None
    username_mapping: UsernameMapping
    user: str
    token: str | None
    cluster: str | None


class Registration(RequestModel):
    """What the cluster sends: its CA, and tokens of both accounts.

    ``api_server`` is the host by which the cluster's pods know its API server.
    """

    code: Annotated[str, Field(max_length=16384)]
    ca_pem: Annotated[str, Field(max_length=65536)]
    impersonator_token: SecretStr
    controller_token: SecretStr
    api_server: Annotated[str, Field(pattern=SERVER_NAME_PATTERN)] | None = None
