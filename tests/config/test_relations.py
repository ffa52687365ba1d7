"""Settings that are valid one by one, but contradict each other, or repeat an entry."""

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from config.section import ARGUMENTS, Section
from config.settings import Settings

ENTRIES: dict[str, object] = {
    "server.trusted_proxies": "10.0.0.0/8",
    "server.proxy_protocol_from": "10.0.0.0/8",
    "server.tls.names": "a.example.com",
    "providers": {"type": "local", "name": "local"},
    "clusters.allow_networks": "127.0.0.0/8",
    "clusters.deny_networks": "10.0.0.0/8",
    "namespaces.system_names": "kube-*",
    "namespaces.guarded_keys": "a.io/*",
    "namespaces.free_keys": "a.io/*",
    "traces.trusted_networks": "10.0.0.0/8",
    "audit.rules": {"level": "None", "verbs": ["get"]},
    "audit.search.rules": {"level": "None", "verbs": ["get"]},
}
"""An entry of each list of settings, by its path."""

CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "rate of one network": (
        {"limits": {"anonymous": {"requests_per_second": 400}}},
        "requests_per_second is 400.0, which is more than total_per_second (300",
    ),
    "burst of one network": (
        {"limits": {"anonymous": {"burst": 10, "total_burst": 9}}},
        "burst is 10, which is more than total_burst (9)",
    ),
    "requests of one network": (
        {"limits": {"anonymous": {"in_flight": 300}}},
        "in_flight is 300, which is more than total_in_flight (256)",
    ),
    "connections of a stranger": (
        {"limits": {"connections": {"per_network": 5000}}},
        "per_network is 5000, which is more than per_known_network (4096)",
    ),
    "connections of a known network": (
        {"limits": {"connections": {"per_known_network": 500, "total": 400}}},
        "per_known_network is 500, which is more than total (400)",
    ),
    "workers of a cluster": (
        {"provisioning": {"limits": {"workers_per_cluster": 300}}},
        "workers_per_cluster is 300, which is more than workers (200)",
    ),
    "lags": (
        {"limits": {"overload": {"lag_threshold": "1s"}}},
        "critical_lag is less than lag_threshold",
    ),
    "lifetimes of tokens": ({"tokens": {"default_ttl": "400d"}}, "longer than max_ttl"),
    "inactivity": (
        {"identities": {"retention": {"disable_after": "9d", "delete_after": "9d"}}},
        "delete_after needs a shorter disable_after",
    ),
    "network allowed and denied": (
        {"clusters": {"allow_networks": ["10.0.0.0/8"], "deny_networks": ["10.0.0.0/8"]}},
        "allow_networks and deny_networks both have 10.0.0.0/8",
    ),
    "names of one host": (
        {"server": {"listen": "localhost:8443"}, "metrics": {"listen": "127.0.0.1:8443"}},
        "which server.listen has",
    ),
    "letters of one host": (
        {"server": {"listen": "A.example:8443"}, "metrics": {"listen": "a.example:8443"}},
        "which server.listen has",
    ),
    "peering and metrics": (
        {"peering": {"listen": "[::1]:9443"}, "metrics": {"listen": "localhost:9443"}},
        "metrics.listen is localhost:9443",
    ),
    "header lines": (
        {"traces": {"endpoint": "http://c/v1/traces", "headers": "api-key: 1\nAPI-Key: 2"}},
        "header names: entries 1 and 2 are equal ('api-key')",
    ),
    "allowed principals": (
        {"providers": [{"type": "ldap", "name": "a", "allowed_principals": ["a://x", "a://x"]}]},
        "allowed_principals: entries 1 and 2 are equal ('a://x')",
    ),
    "names of providers": (
        {"providers": [{"type": "local", "name": "a"}, {"type": "ldap", "name": "a"}]},
        "two providers are named 'a'",
    ),
}


def lists(model: type[BaseModel], at: str = "") -> Iterator[str]:
    """Yield the path of each list of the configuration whose entries must differ."""
    for name, field in model.model_fields.items():
        kinds = list(_parts(field.annotation))
        if any(get_origin(one) is tuple for one in kinds) and ARGUMENTS not in field.metadata:
            yield at + name
        for one in kinds:
            if isinstance(one, type) and issubclass(one, Section):
                yield from lists(one, f"{at}{name}.")


def _parts(kind: Any) -> Iterator[Any]:
    if get_origin(kind) in (Union, UnionType):
        for one in get_args(kind):
            yield from _parts(one)
    else:
        yield kind


def nested(path: str, value: object, beside: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with a setting, and the others of its section."""
    *sections, name = path.split(".")
    found = {**beside, name: value}
    for section in reversed(sections):
        found = {section: found}
    return found


@pytest.mark.parametrize("path", sorted({*ENTRIES, *lists(Settings)}))
def test_repeated_entry_is_refused_in_each_list(path: str) -> None:
    entry = ENTRIES[path]
    beside = {"endpoint": "http://c/v1/traces"} if path.startswith("traces.") else {}
    Settings(**nested(path, [entry], beside))
    with pytest.raises(ValidationError, match=r"are equal|two providers are named"):
        Settings(**nested(path, [entry, entry], beside))


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused(what: str) -> None:
    given, message = CONTRADICTIONS[what]
    with pytest.raises(ValidationError) as caught:
        Settings(**given)
    assert message in str(caught.value)


def test_smaller_total_alone_bounds_the_defaults() -> None:
    limits = {"anonymous": {"total_in_flight": 10}, "connections": {"total": 100}}
    Settings(limits=limits, provisioning={"limits": {"workers": 5}})  # type: ignore[arg-type]


def test_limits_that_are_off_are_no_contradiction() -> None:
    Settings(limits={"anonymous": {"in_flight": 300, "total_in_flight": 0}})  # type: ignore[arg-type]
    Settings(limits={"connections": {"per_known_network": 0}})  # type: ignore[arg-type]


def test_repeated_argument_of_a_command_is_accepted() -> None:
    Settings(backup={"wrap_command": ["kms", "-k", "a", "-k", "a"]})  # type: ignore[arg-type]
