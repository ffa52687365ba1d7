"""Traces that cannot work are reported before a server starts."""

from pathlib import Path

from config.trace_settings import TraceSettings
from proxy.startup.tracing import build_attributes, is_installed, trace_problem
from tests.support.sekisho import free_port, make_sekisho

URL = "http://127.0.0.1:4318/v1/traces"


def test_missing_extra_is_reported_with_the_command_that_installs_it(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "opentelemetry"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("")  # In place of the package, without its parts.
    traces = f"traces: {{endpoint: '{URL}'}}\n"
    server = make_sekisho(tmp_path, (free_port(), free_port()), traces)
    assert server.run("check-config").returncode == 0
    server.environment["PYTHONPATH"] = str(hidden.parent)
    done = server.run("check-config", check=False)
    assert done.returncode != 0
    assert "traces.endpoint" in done.stderr
    assert "pip install 'sekisho[traces]'" in done.stderr
    server.config.write_text(server.config.read_text().replace(traces, ""))
    assert server.run("check-config").returncode == 0


def test_ca_that_is_no_certificate_is_a_problem(tmp_path: Path) -> None:
    assert is_installed()
    file = tmp_path / "ca.crt"
    file.write_text("no PEM")
    problem = trace_problem(TraceSettings(endpoint=URL, ca_file=file))
    assert problem is not None
    assert (problem[0], "PEM" in problem[1]) == ("ca_file", True)
    assert trace_problem(TraceSettings(endpoint=URL)) is None
    assert trace_problem(TraceSettings()) is None


def test_build_attributes_name_the_process() -> None:
    assert build_attributes("r-1")["service.instance.id"] == "r-1"
