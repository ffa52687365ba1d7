"""A tunnel lasts through HTTP proxies of operators, which end connections that are idle."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.tunnel.timing import TunnelTiming
from proxy.workers.child_process import die_with_parent
from tests.agent.run.agent_process import running_agent
from tests.agent.run.gates import gate
from tests.support.isolation import free_port
from tests.support.waiting import eventually

IDLE_SECONDS = 7
"""Longer than the interval of pings, and much shorter than the minute of the proxies' defaults."""

HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout client {idle}s
    timeout server {idle}s
    timeout tunnel {idle}s
frontend all
    bind 127.0.0.1:{port}
    default_backend sekisho
backend sekisho
    server one 127.0.0.1:{target}
"""

ENVOY = """\
static_resources:
  listeners:
    - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
      filter_chains:
        - filters:
            - name: http
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.\
http_connection_manager.v3.HttpConnectionManager
                stat_prefix: all
                stream_idle_timeout: {idle}s
                upgrade_configs: [{{upgrade_type: websocket}}]
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: {{prefix: /}}
                          route: {{cluster: sekisho, timeout: 0s}}
                http_filters:
                  - name: router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: sekisho
      load_assignment:
        cluster_name: sekisho
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address: {{socket_address: {{address: 127.0.0.1, port_value: {target}}}}}
"""

NGINX = """\
daemon off;
error_log stderr;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{target};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_read_timeout {idle}s;
            proxy_send_timeout {idle}s;
        }}
    }}
}}
"""

PROGRAMS = {
    "envoy": (ENVOY, "yaml", "--log-level", "warning", "--disable-hot-restart", "-c"),
    "haproxy": (HAPROXY, "cfg", "-f"),
    "nginx": (NGINX, "conf", "-e", "stderr", "-c"),
}
"""The configuration of each, the ending of its file's name, and the options before it."""


@asynccontextmanager
async def balancer(program: Path, folder: Path, target: int) -> AsyncIterator[int]:
    """Run nginx, HAProxy, or Envoy in front of a port, and yield its port."""
    text, ending, *flags = PROGRAMS[program.name]
    port, file = free_port(), folder / f"{program.name}.{ending}"
    file.write_text(text.format(idle=IDLE_SECONDS, port=port, target=target, folder=folder))
    process = subprocess.Popen([*die_with_parent(), str(program), *flags, str(file)])
    try:
        await eventually(lambda: process.poll() is None and _listens(port))
        yield port
    finally:
        process.terminate()
        process.wait(60)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.mark.parametrize("name", PROGRAMS)
async def test_idle_tunnel_lasts_through_a_proxy_that_ends_idle_connections(
    tmp_path: Path, name: str, load_balancers: dict[str, Path]
) -> None:
    async with (
        gate() as one,
        balancer(load_balancers[name], tmp_path, one.server.port) as port,
    ):
        url = f"http://127.0.0.1:{port}"
        async with running_agent(tmp_path, url, "--tunnels", "1") as agent:
            await eventually(lambda: one.usable)
            tunnel = one.usable[0]
            opened = tunnel.bytes_in
            # Nothing but the agent's pings, for several times the proxy's limit.
            least = 2 * IDLE_SECONDS / TunnelTiming().ping * 12
            await eventually(lambda: tunnel.bytes_in - opened >= least, 60)
            assert tunnel.usable
            assert agent.events("tunnel lost") == []
            # A network cut between proxy and server is passed on.
            tunnel.close("the test closes it")
            await eventually(lambda: agent.events("tunnel lost"))
            await eventually(lambda: one.usable)
