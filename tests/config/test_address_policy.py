"""Tests of the policy on addresses of clusters."""

import ast
from pathlib import Path

import pytest

from config.address_policy import ANY_ADDRESS, DEFAULT_POLICY, AddressPolicy
from config.settings import Settings

ROOT = Path(__file__).parents[2]

DENIED_BY_DEFAULT = [
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "169.254.169.254",
    "169.254.170.2",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "239.255.255.255",
    "ff02::1",
    "255.255.255.255",
    "240.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "not an address",
    "",
]
ALLOWED = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.2.1",
    "8.8.8.8",
    "fd12:3456::1",
    "2001:db8::1",
    "64:ff9b::a00:1",
]
EVERYTHING = AddressPolicy.of(
    allow=["0.0.0.0/0", "::/0", "127.0.0.0/8", "::1/128", "169.254.0.0/16", "::ffff:0:0/96"]
)


@pytest.mark.parametrize("address", [*DENIED_BY_DEFAULT, *NEVER])
def test_default_policy_denies_special_addresses(address: str) -> None:
    assert DEFAULT_POLICY.refusal(address, 6443)


@pytest.mark.parametrize("address", ALLOWED)
def test_default_policy_allows_ordinary_addresses(address: str) -> None:
    assert DEFAULT_POLICY.refusal(address, 6443) is None


@pytest.mark.parametrize("address", NEVER)
def test_policy_with_every_network_allowed_denies_impossible_addresses(
    address: str,
) -> None:
    assert EVERYTHING.refusal(address, 6443)
    assert not DEFAULT_POLICY.may_be_trusted(address, 6443) if address[:1].isdigit() else True


def test_allowing_every_network_does_not_allow_loopback() -> None:
    policy = AddressPolicy.of(allow=["0.0.0.0/0", "::/0"])
    assert policy.refusal("127.0.0.1", 6443)
    assert policy.refusal("::1", 6443)
    assert policy.refusal("169.254.169.254", 80)


def test_policy_follows_the_most_specific_network() -> None:
    policy = AddressPolicy.of(
        allow=["10.1.0.0/16", "127.0.0.0/8"], deny=["0.0.0.0/0", "10.1.2.0/24"]
    )
    assert policy.refusal("8.8.8.8", 443)
    assert policy.refusal("10.2.0.1", 443)
    assert policy.refusal("10.1.0.1", 443) is None
    assert policy.refusal("10.1.2.1", 443)
    assert policy.refusal("127.0.0.1", 6443) is None


def test_policy_denies_a_network_that_is_allowed_and_denied() -> None:
    assert AddressPolicy.of(allow=["10.0.0.0/8"], deny=["10.0.0.0/8"]).refusal("10.0.0.1", 1)


def test_policy_denies_the_nat64_form_of_a_denied_address() -> None:
    assert AddressPolicy.of(deny=["10.0.0.0/8"]).refusal("64:ff9b::a00:1", 443)


def test_trusting_allows_one_address_unless_settings_deny_it() -> None:
    policy = DEFAULT_POLICY.trusting(["127.0.0.1"])
    assert policy.refusal("127.0.0.1", 6443) is None
    assert policy.refusal("127.0.0.2", 6443)
    denied = AddressPolicy.of(deny=["127.0.0.0/8"])
    assert denied.trusting(["127.0.0.1"]).refusal("127.0.0.1", 6443)
    assert not denied.may_be_trusted("127.0.0.1", 6443)
    assert DEFAULT_POLICY.may_be_trusted("127.0.0.1", 6443)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "127.0.0.1", "localhost"])
def test_policy_denies_listeners_of_sekisho(host: str) -> None:
    policy = AddressPolicy.of(allow=["127.0.0.0/8"], listeners=[(host, 8443)])
    assert "listener" in str(policy.refusal("127.0.0.1", 8443))
    assert not policy.may_be_trusted("127.0.0.1", 8443)
    assert policy.refusal("127.0.0.1", 6443) is None


def test_policy_denies_a_wildcard_listener_on_this_machine_only() -> None:
    policy = AddressPolicy.of(listeners=[("", 8443)])
    assert policy.refusal("10.0.0.1", 8443, this_machine=True)
    assert policy.refusal("10.0.0.1", 8443) is None


def test_unrestricted_policy_allows_loopback() -> None:
    assert ANY_ADDRESS.refusal("127.0.0.1", 1) is None


def test_cluster_addresses_come_from_the_settings() -> None:
    settings = Settings.model_validate(
        {
            "server": {"listen": ":8443"},
            "metrics": {"listen": "127.0.0.1:9443"},
            "clusters": {"allow_networks": ["127.0.0.0/8"], "deny_networks": ["10.0.0.0/8"]},
        }
    )
    policy = settings.cluster_addresses
    assert policy.refusal("127.0.0.1", 6443) is None
    assert policy.refusal("10.0.0.1", 6443)
    assert policy.refusal("127.0.0.1", 8443)
    assert policy.refusal("127.0.0.1", 9443)
    assert policy.refusal("192.168.0.1", 8443, this_machine=True)
    with pytest.raises(ValueError, match="not an address or network"):
        Settings.model_validate({"clusters": {"allow_networks": ["localhost"]}})


FOR_PROVIDERS = "providers/http/client.py"
"""The only session that is not for clusters."""

TO_THE_GATE = "management/caller_client/gate.py"
"""Sends requests to this process itself, whose connections to clusters ask the policy."""

CONNECTS = {
    "open_session": {
        TO_THE_GATE,
        "management/kubernetes/connection.py",
        FOR_PROVIDERS,
        "proxy/upstream/access_review.py",
        "proxy/upstream/credential_check.py",
    },
    "ClientSession": {"providers/http/response_body.py"},
    "TCPConnector": {"providers/network/checked_connections.py"},
    "DialedConnector": {"providers/network/checked_connections.py"},
    "PlainDialedConnector": {TO_THE_GATE},
    "create_connection": {"providers/network/dialed_connector.py", "proxy/upstream/connect.py"},
    "ClusterEndpoint": {
        "management/api/v1/cluster_registrations.py",
        "management/clusters/kubeconfig_import.py",
        "management/kubernetes/cluster_client.py",
    },
    "open_connection": set(),
    "urlopen": set(),
}


@pytest.mark.parametrize("function", CONNECTS)
def test_only_listed_modules_connect_to_clusters_and_providers(function: str) -> None:
    """Add what connects to clusters here only if it asks the policy, as these do.

    What connects to stored clusters uses the cluster's dialer, if it has one.
    """
    found = set()
    for package in ("management", "providers", "proxy"):
        for file in (ROOT / package).rglob("*.py"):
            path = file.relative_to(ROOT).as_posix()
            own = (
                "proxy/cli/",
                "proxy/demo/",
                "proxy/doctor/running.py",
                "proxy/workers/",
                "management/tunnels/peer_",
            )
            if path.startswith(own):
                continue  # For the user who chose the address, and between Sekisho's own processes.
            for node in ast.walk(ast.parse(file.read_text())):
                if not isinstance(node, ast.Call):
                    continue
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name != function:
                    continue
                found.add(path)
                if function == "open_session":
                    connectors = [one.value for one in node.keywords if one.arg == "connector"]
                    to_the_gate = path == TO_THE_GATE
                    opener = "PlainDialedConnector(dialer" if to_the_gate else "connector("
                    assert ast.unparse(connectors[0]).startswith(opener)
                    if path != FOR_PROVIDERS:
                        assert "dialer" in ast.unparse(connectors[0])
    assert found == CONNECTS[function]
