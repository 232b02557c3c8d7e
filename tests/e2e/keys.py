"""A page used by keys alone."""

from playwright.sync_api import Locator, Page

MOST = 120


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until `wanted` has the focus, as somebody does who has no pointer; it has to show."""
    for _ in range(MOST):
        page.keyboard.press("Tab")
        if wanted.evaluate("(element) => element === document.activeElement"):
            assert wanted.evaluate("(element) => getComputedStyle(element).outlineStyle !== 'none'")
            return
    raise AssertionError(f"{MOST} times Tab do not lead to {wanted}")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    """Go there and press it."""
    tab_to(page, wanted)
    page.keyboard.press(key)
