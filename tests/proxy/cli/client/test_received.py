"""Objects of a server of another kind or version."""

import pytest

from proxy.cli.client.received import received
from proxy.cli.common import CommandFailed
from proxy.cli.output.columns import UNKNOWN, Column


def test_missing_field_is_an_error_of_the_server() -> None:
    item = received({"id": "u-1"})
    assert (item["id"], item.get("name")) == ("u-1", None)
    with pytest.raises(CommandFailed, match='has no "name"'):
        item["name"]


@pytest.mark.parametrize("value", [None, 1, "x", [1], []])
def test_value_that_is_no_object_is_an_error_of_the_server(value: object) -> None:
    with pytest.raises(CommandFailed, match="is not an object"):
        received(value)


@pytest.mark.parametrize("value", [None, 1, "x", [1], {}])
def test_cell_of_an_unexpected_value_is_unknown(value: object) -> None:
    column = Column("X", lambda item: [one["id"] for one in item["inner"]])
    assert column.cell({"inner": [{"id": "a"}, {"id": "b"}]}) == "a, b"
    assert column.cell(received({"inner": value})) in {UNKNOWN, ""}
    assert column.cell(received({})) == UNKNOWN
