"""How an agent's pods run: fields of the requests that create an agent's manifest."""

from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from config.http_proxy import checked_proxy
from config.text_patterns import WORD, described, ends_alike
from management.api.request_models import LabelKey, Labels, LabelValue, RequestModel
from management.clusters.agent_manifest import AgentOptions

_DNS_NAME = described(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$", ends_alike(253, "- and ."))
_URL = described(r"^https?://[!-~]+$", "a URL that begins with http:// or https://")


def _ip(value: str) -> str:
    return str(ip_address(value))


Image = Annotated[str, Field(max_length=512, pattern=WORD)]
"""An image, as the cluster can pull it."""

DnsName = Annotated[str, Field(pattern=_DNS_NAME)]
"""A name that Kubernetes accepts for most objects, or a host name."""

ProxyUrl = Annotated[str, Field(max_length=2048, pattern=_URL), AfterValidator(checked_proxy)]
"""The URL of an HTTP proxy, as the agent can use it."""

Seconds = Annotated[int, Field(ge=0, le=86_400)]


class HostAlias(RequestModel):
    """Host names for an IP address, for clusters whose DNS does not know them."""

    ip: Annotated[str, Field(max_length=45), AfterValidator(_ip)]
    hostnames: Annotated[list[DnsName], Field(min_length=1, max_length=16)]


class Toleration(RequestModel):
    """A toleration of a pod, as in Kubernetes."""

    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Seconds | None = None

    def manifest(self) -> dict[str, Any]:
        """Return the toleration as Kubernetes writes it."""
        fields = {
            "key": self.key,
            "operator": self.operator,
            "value": self.value,
            "effect": self.effect,
            "tolerationSeconds": self.toleration_seconds,
        }
        return {name: value for name, value in fields.items() if value is not None}


class AgentFields(RequestModel):
    """How the agent's pods run in the cluster.

    ``https_proxy`` is the URL of the proxy on the way to Sekisho. It may contain credentials, and
    stands in the agent's Secret. ``no_proxy`` lists hosts, domains and networks that are reached
    without it. ``network_policy`` adds a policy that denies all connections to the pods.
    """

    image: Image | None = None
    image_pull_secrets: Annotated[list[DnsName], Field(max_length=8)] = Field(default_factory=list)
    https_proxy: ProxyUrl | None = None
    no_proxy: Annotated[str, Field(max_length=4096, pattern=WORD)] | None = None
    host_aliases: Annotated[list[HostAlias], Field(max_length=32)] = Field(default_factory=list)
    node_selector: Labels = Field(default_factory=dict)
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = Field(default_factory=list)
    priority_class: DnsName | None = None
    replicas: Annotated[int, Field(ge=1, le=8)] = 2
    network_policy: bool = False

    def options(self, default_image: str) -> AgentOptions:
        """Return the options of the manifest."""
        return AgentOptions(
            self.image or default_image,
            image_pull_secrets=tuple(self.image_pull_secrets),
            https_proxy=self.https_proxy,
            no_proxy=self.no_proxy,
            host_aliases={one.ip: tuple(one.hostnames) for one in self.host_aliases},
            node_selector=self.node_selector,
            tolerations=tuple(one.manifest() for one in self.tolerations),
            priority_class=self.priority_class,
            replicas=self.replicas,
            network_policy=self.network_policy,
            upgrades=self.image is None,
        )
