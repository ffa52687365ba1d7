"""The message that kubectl prints for a wrong cluster name."""

from pathlib import Path

import pytest

from tests.support.kubernetes import kubectl
from tests.support.sekisho import SekishoWithUsers

COMMANDS = [
    ("get", "pods"),
    ("get", "namespaces", "shop"),
    ("api-resources",),
    ("version",),
    ("auth", "whoami"),
    ("exec", "pod", "--", "true"),
    ("logs", "pod"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_kubectl_with_an_unknown_or_hidden_cluster_prints_the_same_message(
    proxy: SekishoWithUsers, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Compare an unknown name with a cluster that is hidden from the user."""
    # Other tests of the session may have registered more clusters.
    clusters = proxy.request("GET", "/v1/clusters", token=proxy.token("root")).json()["items"]
    cluster = next(one["id"] for one in clusters if one["name"] == "test")
    messages = []
    for name, user in (("tset", "bob"), (cluster, "dave")):
        config = tmp_path / f"{user}.kubeconfig"
        config.write_text(
            proxy.configs["bob"].read_text().replace(cluster, name)
            if user == "bob"
            else with_token(proxy.configs["bob"], proxy.token("dave"))
        )
        done = kubectl(config, *command, timeout=120)
        assert done.returncode != 0
        assert f'no cluster "{name}" that you may enter' in done.stderr
        messages.append(without_times(done.stderr.replace(name, "X")))
    assert messages[0] == messages[1]


def with_token(config: Path, token: str) -> str:
    lines = config.read_text().splitlines()
    return "\n".join(
        f"{line.partition('token:')[0]}token: {token}" if "token:" in line else line
        for line in lines
    )


def without_times(text: str) -> list[str]:
    return sorted({line.partition("]")[2] or line for line in text.splitlines()})
