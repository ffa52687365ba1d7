"""Pictures of chains: escaped, bounded, accessible."""

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from management.access.chains import Step
from management.access.picture import MAX_ROWS, STYLE, draw

SVG = "{http://www.w3.org/2000/svg}"


def chain(person: str, role: str = "edit") -> tuple[Step, ...]:
    return (
        Step("person", person, person, "github"),
        Step("role_binding", "b", "binding", "shop"),
        Step("cluster_role", role, role),
    )


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)
    return [one.text or "" for one in root.iter(f"{SVG}text")]


def test_picture_has_each_step_once_and_a_title() -> None:
    svg = draw([chain("alice"), chain("bob")], "Who can get secrets?", "2 subjects")
    root = ET.fromstring(svg)
    assert root.findtext(f"{SVG}title") == "Who can get secrets?"
    assert root.findtext(f"{SVG}desc") == "2 subjects"
    assert root.get("role") == "img"
    assert [one for one in texts(svg) if one in {"alice", "bob", "binding", "edit"}] == [
        "alice",
        "bob",
        "binding",
        "edit",
    ]
    assert len(root.findall(f".//{SVG}path")) == 3


def test_picture_counts_the_boxes_that_are_left_out() -> None:
    svg = draw([chain(f"user-{number}") for number in range(5000)], "t", "d")
    assert "and 1977 more" in texts(svg)
    assert len([one for one in texts(svg) if one.startswith("user-")]) == MAX_ROWS - 1
    assert len(svg) < 60_000


def test_picture_of_nothing_says_so() -> None:
    assert texts(draw([], "t", "d")) == ["No one."]


def test_picture_has_one_style_for_light_and_dark_and_no_other_colour() -> None:
    svg = draw([chain("alice")], "t", "d")
    assert svg.count("<style>") == svg.count("style") // 2 == 1
    assert svg.count("#") == STYLE.count("#") == 2
    assert "currentColor" in svg


@given(st.lists(st.tuples(st.text(max_size=400), st.text(max_size=400)), max_size=4))
def test_picture_of_any_names_is_well_formed_and_contains_no_element_of_theirs(
    names: list[tuple[str, str]],
) -> None:
    svg = draw([chain(*one) for one in names], "<script>", "</svg>")
    known = {"svg", "style", "title", "desc", "g", "rect", "text", "path"}
    root = ET.fromstring(svg)
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= known
