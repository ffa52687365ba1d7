"""Models of orders, classes, and machines in responses."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from management.api.response_model import ResponseModel
from store.order_records import Infrastructure, OrderState
from store.records import Reach


class OrderConditionResponse(ResponseModel):
    """A condition of the engine's object, in the engine's own words."""

    type: str
    status: str
    reason: str
    message: str
    since: str | None


class OrderedPoolResponse(ResponseModel):
    """A pool that is wanted."""

    model_config = ConfigDict(extra="forbid", defer_build=True, populate_by_name=True)

    name: str
    class_name: Annotated[str, Field(alias="class")]
    replicas: int
    kind: Literal["deployment", "machinepool"]


class WantedResponse(ResponseModel):
    """What is wanted. ``variables`` need ``cluster.edit``: values may be secret."""

    version: str
    control_plane: dict[str, int | None]
    pools: list[OrderedPoolResponse]
    workers: int
    reach: Reach
    variables: dict[str, Any] | None = None


class MachineCountResponse(ResponseModel):
    """How many machines are ready, of those that exist."""

    machines: int
    of: int


class OrderResponse(ResponseModel):
    """How far an order is. All but ``state``, ``since``, ``slow`` and ``imported`` needs
    ``nodes.read``.

    ``imported``: the cluster can be entered by its members, and has the fields of a cluster.

    ``message`` is one sentence, of the engine where there is one. ``engine_away`` is since when the
    engine does not respond. ``conditions`` needs ``cluster.read``. Lists have neither ``wanted``
    nor ``conditions``.
    """

    model_config = ConfigDict(extra="forbid", defer_build=True, populate_by_name=True)

    state: OrderState
    since: str
    slow: bool
    imported: bool
    message: str | None = None
    engine_away: str | None = None
    class_name: Annotated[str | None, Field(alias="class")] = None
    version: str | None = None
    management: str | None = None
    adopted: bool | None = None
    infrastructure: Infrastructure | None = None
    ready: MachineCountResponse | None = None
    wanted: WantedResponse | None = None
    conditions: list[OrderConditionResponse] | None = None
    unreadable: str | None = None


class MachineResponse(ResponseModel):
    """A machine of an ordered cluster. ``pool`` is null in the control plane."""

    name: str
    pool: str | None
    phase: str
    version: str
    node: str
    ready: bool
    deleting: bool
    message: str


class VariableResponse(ResponseModel):
    """A variable of a class. ``schema`` is an OpenAPI v3 schema; empty: too large."""

    model_config = ConfigDict(extra="forbid", defer_build=True, populate_by_name=True)

    name: str
    required: bool
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class WorkerClassResponse(ResponseModel):
    """A class of worker nodes."""

    name: str
    kind: Literal["deployment", "machinepool"]


class ClassResponse(ResponseModel):
    """A class from which the caller may order, or has a cluster.

    ``versions`` are those that the class lists, and empty if it lists none. ``problem`` is why the
    engine cannot use it now; empty: it can. ``orderable``: the caller may order from it.
    """

    id: str
    name: str
    management: str
    management_name: str
    orderable: bool
    variables: list[VariableResponse]
    workers: list[WorkerClassResponse]
    versions: list[str]
    problem: str
