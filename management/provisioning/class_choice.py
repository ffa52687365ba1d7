"""Choose the class and the management cluster of an order, among those that the orderer may use."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from management.errors import printable
from management.provisioning.class_catalog import ClassCatalog, EngineAway
from management.provisioning.classes import ClusterClass, InvalidOrder, Problem
from store.order_records import ManagementCluster


@dataclass(frozen=True, slots=True)
class Choice:
    """A class in a management cluster."""

    management: ManagementCluster
    chosen: ClusterClass


def may_use(management: ManagementCluster, class_name: str, roles: Collection[str]) -> bool:
    """Return whether holders of any of ``roles`` may order from a class. Pure."""
    if not management.classes:
        return True
    allowed = next((one for one in management.classes if one.name == class_name), None)
    return allowed is not None and (not allowed.roles or not set(roles).isdisjoint(allowed.roles))


async def choose(
    catalog: ClassCatalog,
    managements: Sequence[ManagementCluster],
    class_name: str,
    roles: Collection[str],
) -> Choice:
    """Return the class of that name.

    Raises:
        InvalidOrder: there is none that the orderer may use, or several.
        EngineAway: a management cluster that may have it is away.
    """
    found: list[Choice] = []
    away = ""
    for one in managements:
        if not may_use(one, class_name, roles):
            continue
        known = await catalog.known(one)
        chosen = known.classes.get(class_name)
        if chosen is not None:
            found.append(Choice(one, chosen))
        elif known.problem:
            away = known.problem
    if len(found) == 1:
        if found[0].chosen.problem:
            raise InvalidOrder(
                Problem("class", f"the engine cannot use it: {found[0].chosen.problem}")
            )
        return found[0]
    if found:
        raise InvalidOrder(
            Problem("management", "several management clusters have this class: name one of them")
        )
    if away:
        raise EngineAway(away)
    shown = printable(class_name[:100])
    raise InvalidOrder(Problem("class", f'there is no class "{shown}" that you may order from'))


async def class_of(catalog: ClassCatalog, management: ManagementCluster, class_name: str) -> Choice:
    """Return the class of an order that exists, even if no user may order from it now.

    Raises:
        InvalidOrder: the class is gone.
        EngineAway: the management cluster is away, and the class was not read before.
    """
    known = await catalog.known(management)
    chosen = known.classes.get(class_name)
    if chosen is not None:
        return Choice(management, chosen)
    if known.problem:
        raise EngineAway(known.problem)
    raise InvalidOrder(Problem("class", f'the class "{class_name}" no longer exists'))
