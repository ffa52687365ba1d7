import pytest

from bench.readings import Reading
from bench.report import Grid, compared, doubts, markdown, page, short, targets, values, variants
from bench.scenarios.scenario import Figure, Figures, Scenario
from bench.servers import Server, Workshop


def no_figures(_: Workshop, __: Server) -> Figures:
    return {}


SMALL = Scenario("small GET", no_figures, (Figure("cpu_us", "CPU µs"),), variants=True)
READINGS = [
    Reading(number, "small GET", server, {"cpu_us": cpu})
    for number, (sekisho, go) in enumerate([(40, 80), (50, 80), (45, 60)])
    for server, cpu in (("sekisho", sekisho), ("go", go))
]


def test_values_are_medians_and_missing_values_are_dashes() -> None:
    grid = values(READINGS, [SMALL], ["sekisho", "go", "nginx"])
    assert grid.rows == (("small GET: CPU µs", "45.0", "80.0", "–"),)


def test_comparison_shows_median_and_range_of_ratios() -> None:
    grid = compared(READINGS, [SMALL], "sekisho", ["go"])
    assert grid.header == ("", "÷ go")
    assert grid.rows == (("small GET: CPU µs", "0.62 (0.50–0.75)"),)


def test_variants_are_compared_with_default_configuration() -> None:
    off = [Reading(0, "small GET", "audit off", {"cpu_us": 36})]
    grid = variants([*READINGS, *off], [SMALL], "sekisho", ["audit off"])
    assert grid.header == ("", "sekisho", "audit off ÷ sekisho")
    assert grid.rows == (("small GET: CPU µs", "45.0", "0.90 (0.90–0.90)"),)


def test_row_without_values_is_omitted() -> None:
    assert compared(READINGS, [SMALL], "sekisho", ["nginx"]).rows == ()


def test_only_measured_targets_are_shown() -> None:
    grid = targets(READINGS)
    assert grid.rows == (("CPU per small GET, ÷ Go", "≤ 0.65", "≤ 0.5", "0.62 (0.50–0.75)", "met"),)


def test_page_contains_machine_and_tables_in_markdown() -> None:
    grid = Grid("Targets", ("", "target"), (("CPU", "≤ 1"),))
    assert page([grid], ["Busy."], {"CPU": "2 cores", "Go": "1.26"}) == (
        "Measured on 2 cores; Go 1.26.\n\nBusy.\n\n" + markdown(grid)
    )
    assert markdown(grid) == "**Targets**\n\n|  | target |\n| --- | ---: |\n| CPU | ≤ 1 |\n"


def test_quantiles_of_late_client_are_flagged() -> None:
    late = [Reading(0, "2000 GET/s", "direct", {"late_p99_us": 14_000.0})]
    assert doubts(late, "direct")[0].startswith("2000 GET/s: the client itself was 14.0 ms late")
    assert doubts([Reading(0, "2000 GET/s", "direct", {"late_p99_us": 80.0})], "direct") == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.00"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (99.96, "100"),
        (14213.4, "14,213"),
        (-4112.0, "-4,112"),
    ],
)
def test_numbers_have_three_digits(value: float, shown: str) -> None:
    assert short(value) == shown
