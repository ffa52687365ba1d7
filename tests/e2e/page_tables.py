"""Tables of pages."""

from selenium.webdriver.common.by import By

from tests.support.pages import Pages


def cell(pages: Pages, row: str, column: str) -> str:
    """Return the text of a column in the row that begins with a name."""
    for one in pages.browser.find_elements(By.CSS_SELECTOR, "#content tbody tr"):
        if one.find_element(By.TAG_NAME, "th").text.split("\n")[0] == row:
            return one.find_element(By.CSS_SELECTOR, f'td[data-label="{column}"]').text
    return ""
