from pathlib import Path

import pytest

from bench.compiled import changed_since, environment


@pytest.fixture
def built(tmp_path: Path) -> Path:
    for folder in (tmp_path, tmp_path / ".compiled"):
        (folder / "proxy").mkdir(parents=True)
        (folder / "proxy" / "handler.py").write_text("HANDLER = 1\n")
        (folder / "proxy" / "tunnel.py").write_text("TUNNEL = 1\n")
    return tmp_path / ".compiled"


def test_environment_with_current_build_uses_it(built: Path) -> None:
    assert environment(built.parent) == {"PYTHONPATH": str(built), "PYTHONSAFEPATH": "1"}


def test_environment_without_build_is_empty(tmp_path: Path) -> None:
    assert environment(tmp_path) == {}


def test_environment_with_outdated_build_raises(built: Path) -> None:
    (built.parent / "proxy" / "handler.py").write_text("HANDLER = 2\n")
    with pytest.raises(RuntimeError, match=r"^proxy/handler\.py has changed .* make compiled"):
        environment(built.parent)


def test_deleted_module_counts_as_changed(built: Path) -> None:
    (built.parent / "proxy" / "tunnel.py").unlink()
    assert changed_since(built, built.parent) == ["proxy/tunnel.py"]
