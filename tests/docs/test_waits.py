"""Time limits in tests end what hangs. A slow or busy machine must not reach them."""

import ast
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from hypothesis import HealthCheck, settings

from tests.support.waiting import LEAST_SECONDS

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
FILES = sorted((ROOT / "tests").rglob("*.py"))


POSITIONS = {
    "asyncio.timeout": 0,
    "asyncio.wait_for": 1,
    "socket.create_connection": 1,
    "result": 0,
    "wait": 0,
    "join": 0,
}
"""Where calls have their limit, by the whole name or the method's name. Others name it."""

KEYWORDS = {"aiohttp.ClientTimeout": "total"}
"""What other calls than these name ``timeout``."""

SOON = {
    "tests/e2e/test_revocation.py": "access ends soon after it is taken back",
    "tests/management/identity/test_sign_in.py": "access ends soon after it is taken back",
    "tests/security/test_tokens.py": "access ends soon after it is taken back",
    "tests/support/test_waiting.py": "the limits themselves",
}
"""Modules that state how soon something happens, by a wait of less than ten seconds."""

CLOCKS = ("monotonic()", "perf_counter()", ".time()")

UNLIMITED = ("asyncio.wait", "asyncio.Event", "asyncio.Condition")
"""Calls that end no test when their time is over."""


def test_time_limits_are_long_unless_the_test_expects_them_to_pass() -> None:
    def short(tree: ast.Module) -> Iterator[int]:
        return short_limits(tree, dict(named_numbers(tree)), expected=False)

    assert lines_of(short) == []


def test_short_limits_are_found() -> None:
    constants = {"QUICK": 5.0}
    assert sorted(short_limits(ast.parse(SHORT), constants, expected=False)) == [2, 5, 9]


def test_durations_are_asserted_with_within() -> None:
    """``within`` allows for a busy machine. Processor time needs no allowance."""

    def compared(tree: ast.Module) -> Iterator[int]:
        durations = named_durations(tree)
        asserts = (one for one in ast.walk(tree) if isinstance(one, ast.Assert))
        return (one.lineno for one in asserts if compares_wall_clock(one, durations))

    assert lines_of(compared) == []
    assert list(compared(ast.parse(BAD))) == [17, 18]


def test_conditions_are_awaited_with_wait_until_or_eventually() -> None:
    """A loop with a deadline of its own does not know how late the machine is."""
    assert lines_of(own_deadlines, SUPPORT / "waiting.py") == []


def test_waits_are_short_only_where_the_subject_is_how_soon_something_happens() -> None:
    """Others are for what hangs: ten seconds or more, which a busy machine prolongs."""
    assert lines_of(short_waits, *(ROOT / one for one in SOON)) == []


def test_examples_of_hypothesis_have_no_time_limit() -> None:
    """By default, one that takes 0.2 s fails, and so does the slow making of them."""
    default = settings.default
    assert default is not None
    assert default.deadline is None
    assert HealthCheck.too_slow in default.suppress_health_check


def test_deadlines_and_short_waits_are_found() -> None:
    tree = ast.parse(BAD)
    assert sorted(own_deadlines(tree)) == [4, 6, 8, 21]
    assert list(short_waits(tree)) == [10, 11]


def lines_of(rule: Callable[[ast.Module], Iterable[int]], *excepted: Path) -> list[str]:
    """Return the lines of all files that a rule finds."""
    return [
        f"{file.relative_to(ROOT)}:{line}"
        for file in FILES
        if file not in excepted
        for line in rule(parsed(file))
    ]


def own_deadlines(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of statements that fail at a moment, or after a number of attempts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For) and fails(node.orelse):
            yield node.lineno
        if isinstance(node, ast.Assert) or (isinstance(node, ast.If) and fails(node.body)):
            compared = (one for one in ast.walk(node.test) if isinstance(one, ast.Compare))
            if any(is_clock(each) for one in compared for each in (one.left, *one.comparators)):
                yield node.lineno


def fails(block: list[ast.stmt]) -> bool:
    """Return whether a block raises, or fails the test."""
    nodes = (one for statement in block for one in ast.walk(statement))
    return any(
        isinstance(one, ast.Raise)
        or (isinstance(one, ast.Call) and ast.unparse(one.func) == "pytest.fail")
        for one in nodes
    )


def is_clock(node: ast.expr) -> bool:
    """Return whether an expression is the time on a clock that only counts."""
    return ast.unparse(node).endswith(("monotonic()", "perf_counter()", "loop().time()"))


def short_waits(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of ``wait_until`` and ``eventually`` with a limit below ten seconds."""
    constants = dict(named_numbers(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"wait_until", "eventually"}:
            limits = node.args[1:2] + [one.value for one in node.keywords if one.arg == "seconds"]
            given = (literal_number(one) or constants.get(ast.unparse(one), 10) for one in limits)
            if any(one < 10 for one in given):
                yield node.lineno


def compares_wall_clock(node: ast.Assert, durations: Collection[str]) -> bool:
    """Return whether the assertion compares a duration, as ``time.monotonic() - began < 5``.

    ``durations`` are the names that have one.
    """
    for one in ast.walk(node.test):
        if isinstance(one, ast.Compare):
            sides = (one.left, *one.comparators)
            for smaller, operator, greater in zip(sides, one.ops, sides[1:], strict=False):
                if isinstance(operator, ast.Lt | ast.LtE) and (
                    is_duration(smaller)
                    or (ast.unparse(smaller) in durations and literal_number(greater) is not None)
                ):
                    return True
    return False


def is_duration(node: ast.AST) -> bool:
    """Return whether an expression is the time since a moment."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Sub)
        and ast.unparse(node.left).endswith(CLOCKS)
    )


def named_durations(tree: ast.Module) -> frozenset[str]:
    """Return the names to which a module assigns durations, also within calls as ``max()``."""
    return frozenset(
        ast.unparse(one.targets[0])
        for one in ast.walk(tree)
        if isinstance(one, ast.Assign) and any(is_duration(part) for part in ast.walk(one.value))
    )


@functools.cache
def parsed(file: Path) -> ast.Module:
    """Return the syntax of a file, which each rule needs."""
    return ast.parse(file.read_text())


def named_numbers(tree: ast.Module) -> Iterator[tuple[str, float]]:
    """Yield the module's constants that are numbers, by name."""
    for one in tree.body:
        if isinstance(one, ast.Assign | ast.AnnAssign):
            number = literal_number(one.value)
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            if number is not None:
                yield from ((ast.unparse(target), number) for target in targets)


def literal_number(node: ast.expr | None) -> float | None:
    """Return the number of a literal; None for other expressions."""
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int | float) else None


def short_limits(node: ast.AST, constants: Mapping[str, float], *, expected: bool) -> Iterator[int]:
    """Yield the lines of limits on waits that are short, and not meant to pass."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        constants = {**constants, **dict(default_numbers(node))}
    if isinstance(node, ast.With | ast.AsyncWith):
        calls = [one.context_expr for one in node.items]
        expected = expected or any(names_timeout(one) for one in calls)
    if isinstance(node, ast.Call) and not expected and is_short(node, constants):
        yield node.lineno
    if isinstance(node, ast.Try):
        handled = any(one.type and names_timeout(one.type) for one in node.handlers)
        expected = expected or handled
    asked = node.test if isinstance(node, ast.If | ast.While) else None  # a limit is an answer too
    for child in ast.iter_child_nodes(node):
        if child is not asked:
            yield from short_limits(child, constants, expected=expected)


def default_numbers(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, float]]:
    """Yield the parameters whose defaults are numbers, by name."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [
        *zip(reversed(positional), reversed(arguments.defaults), strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    for parameter, default in pairs:
        number = literal_number(default)
        if number is not None:
            yield parameter.arg, number


def names_timeout(node: ast.expr) -> bool:
    """Return whether an expression names the exception of a limit, or a class above it."""
    words = ("TimeoutError", "TimeoutExpired", "OSError")
    return any(word in ast.unparse(node) for word in words)


def is_short(call: ast.Call, constants: Mapping[str, float]) -> bool:
    """Return whether a call waits for less than the least time."""
    name = ast.unparse(call.func)
    if name.startswith(UNLIMITED):
        return False
    position = POSITIONS.get(name, POSITIONS.get(name.rpartition(".")[2]))
    given = [] if position is None else call.args[position : position + 1]
    limits = given + [
        one.value for one in call.keywords if one.arg == KEYWORDS.get(name, "timeout")
    ]
    seconds = [
        literal_number(one) or constants.get(ast.unparse(one), LEAST_SECONDS) for one in limits
    ]
    return any(one < LEAST_SECONDS for one in seconds)


SHORT = """
thread.join(5)
thread.join(120)
async def read(reader, seconds=10, *, most=60):
    async with asyncio.timeout(seconds):
        await reader.read()
    async with asyncio.timeout(most):
        await reader.read()
process.wait(QUICK)
try:
    process.wait(QUICK)
except subprocess.TimeoutExpired:
    process.kill()
"""

BAD = """
QUICK = 5
while not done():
    assert time.monotonic() < deadline
    loop_time = asyncio.get_running_loop().time()
    if process.poll() is not None or time.monotonic() > deadline:
        pytest.fail("it did not start")
    if asyncio.get_running_loop().time() > deadline:
        raise AssertionError
wait_until(done, 5, "the end")
eventually(done, seconds=QUICK)
wait_until(done, 60, "the end")
eventually(done, LONG)
while time.monotonic() < deadline:
    send()
took = max(took, time.monotonic() - began)
assert 1 < took < 5
assert time.monotonic() - began <= 5
assert writes < took
assert time.monotonic() - began > 5
for _ in range(200):
    if done():
        break
else:
    raise AssertionError
"""
