"""Records of management clusters, and of the clusters that are ordered in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypedDict

from store.records import Reach

OrderState = Literal[
    "ordered",
    "refused",
    "accepted",
    "provisioning",
    "initialized",
    "importing",
    "ready",
    "updating",
    "degraded",
    "paused",
    "foreign",
    "deleting",
    "released",
]
"""Where an order is on its way. An order that is gone has no record.

``ordered``: stored, not sent yet; ``refused``: the engine rejected it; ``accepted``: the engine's
object exists; ``provisioning``: machines are made; ``initialized``: the control plane responds;
``importing``: Sekisho's accounts are made in it; ``ready``: users may enter; ``updating`` and
``degraded``: they may, while the engine changes or repairs it; ``paused``: the engine does not act;
``foreign``: the engine's object is not this order's, and is not touched; ``deleting``: until the
engine's object is gone; ``released``: the engine's object stays, and Sekisho forgets it.
"""

Infrastructure = Literal["delete", "keep"]
"""What happens to the machines when a provisioned cluster is removed from Sekisho."""

ENDING_STATES = frozenset({"deleting", "paused", "foreign"})
"""The states that an order can be in while it is being deleted."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Worker nodes of one class. ``kind`` is the engine's: MachineDeployment or MachinePool."""

    name: str
    worker_class: str
    replicas: int
    kind: Literal["deployment", "machinepool"] = "deployment"


@dataclass(frozen=True, slots=True)
class WantedSummary:
    """What an order asks the engine for, without the values of variables.

    ``version`` is Kubernetes' (``v1.36.3``). ``control_plane_replicas`` None: the class decides.
    ``reach`` is how Sekisho connects to the created cluster.
    """

    class_name: str
    version: str
    control_plane_replicas: int | None = None
    pools: tuple[Pool, ...] = ()
    reach: Reach = "direct"

    @property
    def workers(self) -> int:
        """The worker nodes of all pools."""
        return sum(pool.replicas for pool in self.pools)


@dataclass(frozen=True, slots=True)
class WantedCluster(WantedSummary):
    """What an order asks the engine for.

    ``variables`` are values of the class's variables; they may be secret, and are encrypted at
    rest.
    """

    variables: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """Upper limits. None: the setting's (of a management cluster), or no limit (of settings).

    ``clusters_per_user`` counts a user's orders, ``workers_per_cluster`` the workers of one order,
    and ``workers`` those of all orders. A limit of a management cluster takes the place of the
    setting's for orders there, and counts those only.
    """

    clusters_per_user: int | None = None
    workers_per_cluster: int | None = None
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class AllowedClass:
    """A class that may be ordered from.

    ``roles`` are ids of global roles, one of which the orderer must hold; () is everyone who may
    order. ``clusters`` limits the orders of the class; None: no limit.
    """

    name: str
    roles: tuple[str, ...] = ()
    clusters: int | None = None


@dataclass(frozen=True, slots=True)
class ManagementCluster:
    """An imported cluster in which an engine (Cluster API) makes clusters to order.

    ``namespace`` holds the engine's objects. ``classes`` () allows all classes there. ``token`` is
    that of Sekisho's account there: plain here, encrypted at rest. ``unreadable`` is why it cannot
    be decrypted; it is then empty, and storing such a record keeps the stored one.
    """

    cluster_id: str
    namespace: str
    token: str = field(repr=False)
    token_expires_at: datetime
    classes: tuple[AllowedClass, ...] = ()
    limits: OrderLimits = OrderLimits()
    revision: int = 1
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class OrderCondition:
    """A condition of the engine's object. ``message`` is in the engine's own words."""

    type: str
    status: str
    reason: str
    message: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """An order without the values of its variables: nothing is decrypted to read it.

    ``id`` is the id of the cluster's record, which the import makes. ``name`` is in no other order
    and no other cluster. ``engine_name`` and ``engine_uid`` (None: not known yet) identify the
    engine's object in the management cluster. An ``adopted`` one was not made by Sekisho: it is
    shown and imported, and never changed. ``owner_id`` is the user who ordered, who may be gone.

    ``state_since`` is the start of ``state``, and ``slow`` that it takes longer than usual.
    ``engine_away_since``: the engine has not responded since then. ``imported_at`` None: not
    imported yet. After ``deleting_since`` is set, the engine's object is deleted; with ``release``
    it stays instead, and is never imported again. Changes of ``wanted`` increase ``revision``;
    observations do not.
    """

    id: str
    name: str
    management_id: str
    engine_name: str
    wanted: WantedSummary
    owner_id: str
    user_name: str
    created_at: datetime
    state_since: datetime
    state: OrderState = "ordered"
    engine_uid: str | None = None
    adopted: bool = False
    message: str = ""
    slow: bool = False
    conditions: tuple[OrderCondition, ...] = ()
    ready_machines: int = 0
    machines: int = 0
    engine_away_since: datetime | None = None
    imported_at: datetime | None = None
    deleting_since: datetime | None = None
    release: bool = False
    revision: int = 1

    @property
    def is_ending(self) -> bool:
        """Whether the order is being deleted or released."""
        return self.release or self.deleting_since is not None


@dataclass(frozen=True, slots=True)
class Order(OrderSummary):
    """A cluster that a user wants, and how far the engine is with it.

    ``unreadable`` is why the stored variables cannot be decrypted. ``wanted.variables`` is then
    empty, and the order must not be sent to the engine.
    """

    wanted: WantedCluster
    unreadable: str = ""


class OrderObservation(TypedDict, total=False):
    """What a controller observes of an order. Fields that are left out do not change."""

    state: OrderState
    state_since: datetime
    message: str
    slow: bool
    conditions: tuple[OrderCondition, ...]
    ready_machines: int
    machines: int
    engine_uid: str | None
    engine_away_since: datetime | None
    imported_at: datetime | None
