from pathlib import Path

import pytest

from bench.compiled import changed_since, environment


@pytest.fixture
def built(tmp_path: Path) -> Path:
    for folder in (tmp_path, tmp_path / ".compiled"):
        (folder / "proxy").mkdir(parents=True)
        (folder / "proxy" / "gate.py").write_text("GATE = 1\n")
        (folder / "proxy" / "pipe.py").write_text("PIPE = 1\n")
    return tmp_path / ".compiled"


def test_what_was_built_of_this_source_is_what_runs(built: Path) -> None:
    assert environment(built.parent) == {"PYTHONPATH": str(built), "PYTHONSAFEPATH": "1"}


def test_where_nothing_was_built_the_source_runs(tmp_path: Path) -> None:
    assert environment(tmp_path) == {}


def test_a_build_of_other_source_is_refused(built: Path) -> None:
    (built.parent / "proxy" / "gate.py").write_text("GATE = 2\n")
    with pytest.raises(RuntimeError, match=r"^proxy/gate\.py has changed .* make compiled"):
        environment(built.parent)


def test_a_module_that_is_gone_has_changed(built: Path) -> None:
    (built.parent / "proxy" / "pipe.py").unlink()
    assert changed_since(built, built.parent) == ["proxy/pipe.py"]
