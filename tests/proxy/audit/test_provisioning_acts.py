"""Audit events of what the controllers did with ordered clusters."""

import io
import json
import time

from proxy.audit.index import AuditIndex
from proxy.audit.log import AuditLog
from proxy.audit.policy import AuditPolicy
from proxy.audit.provisioning_acts import record_order_act
from proxy.logs.line_writer import LineWriter
from tests.management.provisioning.things import ORDER_ID, UID, an_order


def test_act_names_the_controllers_the_action_and_the_orderer() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)
    policy = AuditPolicy(())
    index = AuditIndex(
        policy,
        commands=False,
        max_per_minute=10,
        clock=time.monotonic,
        dropped=lambda reason: None,
    )
    log = AuditLog(writer, policy, commands=False, index=index)
    record_order_act(log, "cluster.vanished", an_order(), {"engine_uid": UID, "members": "bob"})
    writer.close()
    event = json.loads(stream.getvalue())
    assert event["user"]["username"] == "system:sekisho:provisioner"
    assert event["objectRef"] == {"resource": "clusters", "name": ORDER_ID}
    assert event["annotations"] == {
        "sekisho.io/cluster": "three",
        "sekisho.io/cluster-id": ORDER_ID,
        "sekisho.io/action": "cluster.vanished",
        "sekisho.io/order": ORDER_ID,
        "sekisho.io/user": "u-alice",
        "sekisho.io/class": "standin",
        "sekisho.io/version": "v1.36.3",
        "sekisho.io/engine_uid": UID,
        "sekisho.io/members": "bob",
    }
    (found,) = index.take(1)
    assert (found.user_id, found.cluster_id, found.sign_in) == ("u-alice", ORDER_ID, False)
