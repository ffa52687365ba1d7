"""A page that an action renders again is there before the action ends and its message appears.

Otherwise, what the reader types into the form after the message is in a form that is replaced.
"""

import re

from management.web.static_files import FOLDER

REFRESH = re.compile(r"^(.*)view\.refresh\(\)", re.MULTILINE)


def test_each_action_waits_for_the_page_that_it_renders_again() -> None:
    found = {
        script.name: REFRESH.findall(script.read_text())
        for script in FOLDER.rglob("*.js")
        if script.name != "router.js"
    }
    assert sum(map(len, found.values())) > 5
    missed = {
        name: line
        for name, lines in found.items()
        for line in lines
        if not line.endswith(("await ", "return "))
    }
    assert missed == {}


def test_message_of_an_action_follows_the_page_that_it_renders_again() -> None:
    early = re.compile(r"say\([^\n]*\n\s*(?:await )?view\.refresh\(\)")
    assert [one.name for one in FOLDER.rglob("*.js") if early.search(one.read_text())] == []
