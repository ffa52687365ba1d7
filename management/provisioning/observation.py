"""What of an order's record changes by what is seen. Pure."""

from datetime import datetime

from management.provisioning.engine_view import EngineState
from management.provisioning.follower import Follower
from management.provisioning.states import Facts, Judgement
from management.provisioning.steps import is_newer, is_pending, owns, why_foreign
from store.order_records import Order, OrderObservation


def observation(
    order: Order, facts: Facts, judgement: Judgement | None, now: datetime
) -> OrderObservation:
    """Return the fields that differ. ``judgement`` None: the engine's objects are not known."""
    seen: OrderObservation = {}
    if judgement is not None:
        ready, machines = machine_counts(facts)
        seen = {
            "state": judgement.state,
            "message": judgement.message,
            "slow": judgement.slow,
            "conditions": judgement.conditions,
            "ready_machines": ready,
            "machines": machines,
        }
        if judgement.state != order.state:
            seen["state_since"] = judgement.since
    if facts.away and order.engine_away_since is None:
        seen["engine_away_since"] = now
    if not facts.away and order.engine_away_since is not None:
        seen["engine_away_since"] = None
    changed: OrderObservation = {}
    for name, value in seen.items():
        if getattr(order, name) != value:
            changed[name] = value  # type: ignore[literal-required]
    return changed


def machine_counts(facts: Facts) -> tuple[int, int]:
    """Return the machines that are ready, and all. Some MachinePools have no Machine objects."""
    pools = {one.pool for one in facts.machines}
    without = [one for one in facts.pools if one.name not in pools]
    ready = sum(one.ready for one in facts.machines) + sum(one.ready for one in without)
    return ready, len(facts.machines) + sum(one.replicas for one in without)


def facts_of(order: Order, follower: Follower, state: EngineState, away: str) -> Facts:
    """Return what is known of an order.

    ``away`` is why the engine does not respond; empty: it does. That the Cluster was taken or has
    gone is outdated where the order's Cluster is seen and has what is wanted.
    """
    cluster = state.clusters.get(order.engine_name)
    pending = is_pending(order, cluster)
    is_back = cluster is not None and owns(order, cluster) and not pending
    taken = "" if is_back else follower.taken
    return Facts(
        cluster=cluster,
        pools=state.pools.get(order.engine_name, ()),
        machines=state.machines.get(order.engine_name, ()),
        refusal=follower.refusal if follower.refused_revision == order.revision else "",
        taken=taken or (why_foreign(order, cluster) if cluster is not None else ""),
        away=away or follower.away,
        pending=pending,
        import_problem=follower.import_problem,
        newer=cluster is not None and owns(order, cluster) and is_newer(order, cluster),
        rejects_sekisho=follower.rejected_since is not None,
    )
