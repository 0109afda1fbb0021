"""What the tests of pages share: one Chromium for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.browser import Browser, chromium


@pytest.fixture(scope="session")
def page_browser() -> Iterator[Browser]:
    """A headless Chromium; `visit` a file, then look at `faults`, `audit` and `sideways`."""
    with chromium() as browser:
        yield browser
