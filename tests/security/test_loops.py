"""Search the source tree for loops that continue after a failure without backoff."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")

WAITS = frozenset({"backoff", "before_retry", "pause"})
"""Names that occur in a loop with backoff."""

ON_SCHEDULE = {
    "management/controllers/leader_election.py run": "renews leases every few seconds",
    "management/clusters/agent_maintenance.py maintain_agents_forever": "scans once a minute",
    "management/tunnels/peer_server.py _accept_forever": "waits for the next connection",
    "management/clusters/verification.py _await_rights": "polls for ten seconds at most",
    "management/identity/refresh_loop.py refresh_forever": "reads the store twice a minute",
    "management/clusters/token_renewal.py _scan_forever": "scans the store every half a minute",
    "management/identity/retention.py retire_forever": "reads the store every few hours",
    "management/provisioning/provisioner.py _pass_forever": "waits five seconds after a failure",
    "management/provisioning/importing.py _secret": "polls for five seconds at most",
    "management/clusters/user_tokens.py _await_propagation": "polls for five seconds at most",
    "proxy/monitoring/in_use.py read_forever": "counts once a minute",
    "proxy/audit/index_writer.py prune_forever": "deletes every five minutes",
    "proxy/client/announced_address.py _peek": "waits for bytes, five seconds at most",
    "proxy/forwarding/forward.py _drain": "reads a body that ends",
    "proxy/forwarding/forward.py forward": "tries each API server once",
    "proxy/transport/server_tls.py refresh_forever": "checks a file periodically",
    "management/caller_client/client.py pages": "halves the page, so eight times at most",
    "management/workloads/follower.py _watch": "ends after a failure, and its caller backs off",
    "management/api/workload_streams.py _stream": "waits for the next change, or 20 s",
    "management/kubernetes/client.py pages": "halves the page, so nine times at most",
    "proxy/cli/client/server_session.py watch": "waits up to 30 s, doubled after each failure",
    "proxy/cli/client/server_session.py follow": "waits up to 30 s, doubled after each failure",
}
"""Loops that catch errors without backoff, and why they cannot cause a request storm."""


def loops(source: str) -> Iterator[tuple[str, ast.While]]:
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.While) and isinstance(node.test, ast.Constant):
                    yield function.name, node


def continues_after_failures(loop: ast.While) -> bool:
    names = {node.id for node in ast.walk(loop) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(loop) if isinstance(node, ast.Attribute)}
    catches = any(isinstance(node, ast.ExceptHandler) for node in ast.walk(loop))
    return catches and not names & WAITS


def unlisted_loops() -> set[str]:
    return {
        f"{path.relative_to(ROOT).as_posix()} {name}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name, loop in loops(path.read_text())
        if continues_after_failures(loop)
    }


def test_loop_that_continues_after_failures_backs_off_or_is_listed() -> None:
    assert unlisted_loops() <= set(ON_SCHEDULE)


def test_loop_with_constant_sleep_is_detected() -> None:
    source = (
        "async def f():\n while True:\n  try: await g()\n  except OSError: pass\n"
        "  await asyncio.sleep(1)\n"
    )
    assert [continues_after_failures(loop) for _, loop in loops(source)] == [True]
