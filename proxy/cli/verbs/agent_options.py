"""Options of how an agent's pods run, for the commands that print its manifest."""

from collections.abc import Callable
from typing import Any, Final

import click

from proxy.cli.verbs.options import given, pairs

_OPTIONS: Final = (
    click.option("--image", help="Sekisho's image, as the cluster can pull it."),
    click.option(
        "--image-pull-secret",
        "image_pull_secrets",
        multiple=True,
        metavar="NAME",
        help="A Secret in sekisho-system for the image's registry. Repeatable.",
    ),
    click.option(
        "--https-proxy",
        metavar="URL",
        help="The proxy on the agent's way to Sekisho. May contain user:password.",
    ),
    click.option("--no-proxy", metavar="LIST", help="Hosts and networks without the proxy."),
    click.option(
        "--host-alias",
        "host_aliases",
        multiple=True,
        metavar="NAME=IP",
        help="The address of a host that the cluster's DNS doesn't know. Repeatable.",
    ),
    click.option(
        "--node-selector",
        "node_selector",
        multiple=True,
        metavar="KEY=VALUE",
        help="Run the agent on nodes with this label. Repeatable.",
    ),
    click.option(
        "--toleration",
        "tolerations",
        multiple=True,
        metavar="KEY[=VALUE][:EFFECT]",
        help="Run the agent also on nodes with this taint. Repeatable.",
    ),
    click.option("--priority-class", metavar="NAME", help="The pods' PriorityClass."),
    click.option("--replicas", type=click.IntRange(1, 8), help="Pods of the agent. Default: 2."),
    click.option(
        "--network-policy",
        is_flag=True,
        default=None,
        help="Add a NetworkPolicy that denies all connections to the agent's pods.",
    ),
)

NAMES: Final = {
    "image_pull_secrets": "--image-pull-secret",
    "https_proxy": "--https-proxy",
    "no_proxy": "--no-proxy",
    "host_aliases": "--host-alias",
    "node_selector": "--node-selector",
    "tolerations": "--toleration",
    "priority_class": "--priority-class",
    "replicas": "--replicas",
    "network_policy": "--network-policy",
}
"""The options that only an agent has, by their parameter."""


def agent_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def agent_body(**values: Any) -> dict[str, Any]:
    """Return the fields of a request for the options that were given. Raises UsageError."""
    body: dict[str, Any] = given(**values)
    if "host_aliases" in body:
        by_address: dict[str, list[str]] = {}
        for name, address in pairs(body["host_aliases"], "--host-alias").items():
            by_address.setdefault(address, []).append(name)
        body["host_aliases"] = [
            {"ip": address, "hostnames": names} for address, names in by_address.items()
        ]
    if "node_selector" in body:
        body["node_selector"] = pairs(body["node_selector"], "--node-selector")
    if "tolerations" in body:
        body["tolerations"] = [_toleration(one) for one in body["tolerations"]]
    return body


def _toleration(text: str) -> dict[str, str]:
    taint, separator, effect = text.partition(":")
    key, equals, value = taint.partition("=")
    toleration = {"key": key, "operator": "Equal" if equals else "Exists"}
    if equals:
        toleration["value"] = value
    if separator:
        toleration["effect"] = effect
    return toleration
