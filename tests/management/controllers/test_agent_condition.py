"""The condition AgentReady: its reasons, and what they tell the operator to do."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from management.clusters.agent_upgrade import Upgrade
from management.clusters.agent_versions import is_older, is_supported
from management.controllers.agent_condition import agent_problem
from management.tunnels.connected_agents import ConnectedAgent
from store.agent_records import Trust

AGENT = ConnectedAgent("agent-1", "node-1", "1.4.0", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("agent", "server", "older", "supported"),
    [
        ("1.4.0", "1.4.0", False, True),
        ("1.4.0", "1.4.1", True, True),
        ("1.4.0", "1.6.3", True, True),
        ("1.4.0", "1.7.0", True, False),
        ("1.4.0", "2.0.0", True, False),
        ("1.10.0", "1.9.0", False, True),
        ("", "1.4.0", False, True),
        ("9" * 200, "1.4.0", False, True),
        ("next", "1.4.0", False, True),
    ],
)
def test_versions_are_compared_by_their_numbers(
    agent: str, server: str, older: bool, supported: bool
) -> None:
    assert is_older(agent, server) is older
    if older:
        assert is_supported(agent, server) is supported


def test_verified_agents_of_this_version_are_ready() -> None:
    assert agent_problem("edge", [AGENT, AGENT], "1.4.0", Upgrade.SCHEDULED) is None


def test_cluster_without_agents_is_reported() -> None:
    problem = agent_problem("edge", [], "1.4.0", Upgrade.SCHEDULED)
    assert problem is not None
    assert problem[0] == "NoAgent"


@pytest.mark.parametrize(
    ("trust", "reason"),
    [(Trust.REFUSED, "AgentOfAnotherCluster"), (Trust.UNVERIFIED, "AgentNotVerified")],
)
def test_agent_that_is_not_verified_is_named(trust: Trust, reason: str) -> None:
    other = replace(AGENT, pod="other", trust=trust, reason="why")
    problem = agent_problem("edge", [AGENT, other], "1.4.0", Upgrade.SCHEDULED)
    assert problem == (reason, "pod other on node node-1: why")


@pytest.mark.parametrize(
    ("upgrade", "reason", "remedy"),
    [
        (Upgrade.SCHEDULED, "AgentOutdated", "Sekisho replaces its image"),
        (Upgrade.RUNNING, "AgentOutdated", "being replaced"),
        (Upgrade.FAILED, "AgentUpgradeFailed", "kubectl -n sekisho-system describe pods"),
        (Upgrade.SAME_IMAGE, "AgentOutdated", "images.agent"),
        (Upgrade.NO_IMAGE, "AgentOutdated", "set images.registry in sekisho.yaml"),
        (Upgrade.OWN_IMAGE, "AgentOutdated", "sekisho cluster agent edge --image IMAGE | kubectl"),
        (Upgrade.FORBIDDEN, "AgentUpgradeForbidden", "sekisho cluster agent edge | kubectl apply"),
        (Upgrade.NO_DEPLOYMENT, "AgentOutdated", "sekisho cluster agent edge | kubectl apply"),
    ],
)
def test_outdated_agent_is_reported_with_the_remedy(
    upgrade: Upgrade, reason: str, remedy: str
) -> None:
    name = "c" * 63
    problem = agent_problem("edge", [AGENT], "1.5.0", upgrade)
    assert problem is not None
    assert problem[0] == reason
    assert remedy in problem[1]
    long = agent_problem(name, [replace(AGENT, pod="p" * 253)], "9.5.0", upgrade)
    assert long is not None
    assert "Only 2 minor versions" in long[1]
