"""Models of orders that clients send."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from impersonation.display_names import one_line
from management.api.request_models import Reference, RequestModel
from management.clusters.cluster_identity import NAME
from store.records import Reach

MAX_CONTROL_PLANE = 7
"""Machines of a control plane. etcd's documentation advises against more, and no limit of orders
counts them."""

Count = Annotated[int, Field(strict=True, ge=0, le=100_000)]
PoolName = Annotated[str, Field(min_length=1, max_length=63), AfterValidator(one_line)]
ClassReference = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(one_line)]
Version = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(one_line)]
Variables = Annotated[dict[Annotated[str, Field(max_length=256)], Any], Field(max_length=200)]
Pools = Annotated[list["WorkerPool"], Field(max_length=50)]


class OrderModel(RequestModel):
    """A part of an order. ``class`` is a keyword of Python."""

    model_config = ConfigDict(extra="forbid", defer_build=True, populate_by_name=True)


class WorkerPool(OrderModel):
    """Worker nodes of one class."""

    name: PoolName
    class_name: Annotated[ClassReference, Field(alias="class")]
    replicas: Count


class ControlPlane(OrderModel):
    """The control plane. ``replicas`` null: the class decides."""

    replicas: Annotated[int, Field(strict=True, ge=1, le=MAX_CONTROL_PLANE)] | None = None


class OrderContent(OrderModel):
    """What an order can change later.

    ``workers`` is the size of the only pool; ``pools`` names each pool.
    """

    version: Version
    control_plane: ControlPlane = Field(default_factory=ControlPlane)
    workers: Count | None = None
    pools: Pools | None = None
    variables: Variables = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_size(self) -> "OrderContent":
        if self.workers is not None and self.pools is not None:
            raise ValueError("give either workers or pools")
        return self


class NewOrder(OrderContent):
    """A cluster to order from a class.

    ``management`` is needed if several management clusters have the class. With ``reach: agent``,
    Sekisho installs an agent, for a cluster whose API servers it cannot reach.
    """

    class_name: Annotated[ClassReference, Field(alias="class")]
    management: Reference | None = None
    reach: Reach = "direct"


class Adoption(RequestModel):
    """A Cluster in a management cluster that others made. Sekisho imports it and only reads it."""

    management: Reference
    cluster: Annotated[str, Field(pattern=NAME.pattern)]
    reach: Reach = "direct"


class OrderChange(OrderModel):
    """A change of what is ordered, as a merge patch. ``workers`` is the size of the only pool.

    ``pools`` null is refused: clients send null for what they leave out, and all machines would go.

    ``management`` comes alone: it attaches the order to its Cluster in that management cluster,
    after the Cluster was moved there or restored.
    """

    management: Reference | None = None
    version: Version | None = None
    control_plane: ControlPlane | None = None
    workers: Count | None = None
    pools: Pools | None = None
    variables: Variables | None = None

    @model_validator(mode="after")
    def _keeps_machines(self) -> "OrderChange":
        if "pools" in self.model_fields_set and self.pools is None and self.workers is None:
            raise ValueError("pools: null would remove all machines; send [] to remove all pools")
        return self
