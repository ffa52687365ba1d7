"""``sekisho agent`` as a process, at a Sekisho process."""

import signal
from pathlib import Path

from tests.agent.run.agent_process import TOKEN as REFUSED_TOKEN
from tests.agent.run.agent_process import AgentProcess, running_agent
from tests.proxy.tunnels.conftest import TOKEN, add_cluster, store_of
from tests.support.sekisho import Sekisho
from tests.support.waiting import eventually


def _ca(sekisho: Sekisho) -> str:
    return (sekisho.folder / "data" / "tls" / "ca.crt").read_text()


async def _pods(sekisho: Sekisho) -> list[str]:
    async with store_of(sekisho) as store:
        return [one.tunnel.pod for one in await store.tunnels.all()]


def _replicas(agent: AgentProcess) -> set[object]:
    return {line["replica"] for line in agent.events("tunnel open")}


async def test_agent_connects_with_its_token_and_leaves_in_order(
    sekisho: Sekisho, tmp_path: Path
) -> None:
    await add_cluster(sekisho)
    async with running_agent(tmp_path, sekisho.url, ca_pem=_ca(sekisho)) as agent:
        await eventually(lambda: "responded 401" in agent.log)
        assert await agent.health("/readyz") == 503
        agent.token_file.write_text(TOKEN)
        await eventually(agent.ready)
        await eventually(lambda: sekisho.metric('sekisho_tunnels{cluster="edge"}') >= 2)

        async def is_stored() -> bool:
            return set(await _pods(sekisho)) == {"agent-0"}

        await eventually(is_stored)  # when it was verified
        agent.terminate()
        assert await agent.ended() == 0
        await eventually(lambda: sekisho.metric('sekisho_tunnels{cluster="edge"}') == 0)
        assert not any(token in agent.log for token in (TOKEN, REFUSED_TOKEN))


async def test_agent_returns_to_a_server_that_was_restarted_or_killed(
    sekisho: Sekisho, tmp_path: Path
) -> None:
    await add_cluster(sekisho)
    async with running_agent(tmp_path, sekisho.url, ca_pem=_ca(sekisho)) as agent:
        agent.token_file.write_text(TOKEN)
        await eventually(agent.ready)
        assert sekisho.stop() == 0
        await eventually(lambda: agent.events("tunnel drains"))
        await eventually(lambda: not _open(agent))
        await eventually(agent.unready)
        sekisho.start()
        await eventually(agent.ready)
        assert sekisho.process is not None
        sekisho.process.send_signal(signal.SIGKILL)
        sekisho.process.wait()
        await eventually(lambda: not _open(agent))
        sekisho.start()
        await eventually(agent.ready)
        assert len(_replicas(agent)) == 3
        assert agent.process.poll() is None


def _open(agent: AgentProcess) -> bool:
    """Return whether the last line about the server says that it is reached."""
    lines = [*agent.events("tunnel open"), *agent.events("no tunnel")]
    return max(lines, key=lambda line: str(line["timestamp"]))["event"] == "tunnel open"
