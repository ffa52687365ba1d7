"""When project labels of namespaces are trusted."""

from datetime import UTC, datetime, timedelta

from management.controllers.label_trust import LabelTrust
from management.desired_state.diff import Key, key_of
from management.kubernetes.manifests import Manifest


class Clock:
    """A clock that tests set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def installed(trust: LabelTrust, age: float) -> dict[Key, Manifest]:
    """Return the objects of the policy as in a cluster, ``age`` seconds after their creation."""
    created = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    objects = {}
    for one in trust.desired_policy(supported=True):
        metadata = {**one["metadata"], "creationTimestamp": created}
        objects[key_of(one)] = {**one, "metadata": metadata}
    return objects


def test_missing_policy_is_never_trusted() -> None:
    clock = Clock()
    trust = LabelTrust(propagation_seconds=10, clock=clock)
    for _ in range(3):
        assert trust.pending_seconds({}) == 10
        clock.now += 20


def test_new_policy_is_trusted_after_the_propagation_time() -> None:
    clock = Clock()
    trust = LabelTrust(propagation_seconds=10, clock=clock)
    assert 5 < trust.pending_seconds(installed(trust, age=4)) < 7
    clock.now += 7
    assert trust.pending_seconds(installed(trust, age=11)) == 0


def test_old_policy_is_trusted_immediately() -> None:
    trust = LabelTrust(propagation_seconds=10, clock=Clock())
    assert trust.pending_seconds(installed(trust, age=3600)) == 0


def test_repaired_policy_is_trusted_after_the_propagation_time() -> None:
    clock = Clock()
    trust = LabelTrust(propagation_seconds=10, clock=clock)
    changed = installed(trust, age=3600)
    key = next(key for key in changed if key[0] == "ValidatingAdmissionPolicy")
    changed[key] = {**changed[key], "spec": {**changed[key]["spec"], "failurePolicy": "Ignore"}}
    assert trust.pending_seconds(changed) == 10
    repaired = installed(trust, age=3600)
    clock.now += 1
    assert trust.pending_seconds(repaired) == 9
    clock.now += 9
    assert trust.pending_seconds(repaired) == 0


def test_policy_is_not_desired_without_the_api() -> None:
    assert LabelTrust().desired_policy(supported=False) == []
