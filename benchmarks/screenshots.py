"""Pictures of the pages for the documentation, taken by a headless Chromium from a finished `make demo`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from tyro.conf import Positional

from lsdc.cohort.vocabulary import Condition, Level
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say

if TYPE_CHECKING:
    from support.browser import Browser

_PHONE, _DESKTOP = 390, 1280
_HEIGHT = {_PHONE: 1500, _DESKTOP: 1420}
"""What is kept of a page, CSS pixels."""


@dataclass(frozen=True)
class Screenshots:
    """Take the pictures: each page on a desk in the light, and on a phone in the dark.

    Examples
    --------
        make screenshots
        python benchmarks/screenshots.py demo/report --out pictures/
    """

    report: Positional[Path]
    """folder of a report, with cohort.html and model.html beside index.html"""
    out: Path = Path("docs/images")
    """folder for the JPEG files"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Take them."""
        sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
        from support.browser import chromium

        study = sorted((self.report / "studies").glob("*.html"))[0]
        pages = {
            "page_study": study,
            "page_index": self.report / "index.html",
            "page_cohort": self.report / "cohort.html",
            "page_model": self.report / "model.html",
        }
        sizes = {}
        with chromium() as browser:
            for name, page in pages.items():
                for width, dark in ((_DESKTOP, False), (_PHONE, True)):
                    path = self.out / f"{name}_{'phone' if dark else 'desk'}.jpg"
                    _take(browser, page, path, width, dark)
                    sizes[path.name] = path.stat().st_size
                    say(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
        return sizes


def _take(browser: Browser, page: Path, path: Path, width: int, dark: bool) -> None:
    """Open a page, choose a place where there is one, and keep what a reader sees first."""
    height = _HEIGHT[width]
    browser.visit(page, width, height, dark=dark)
    slug = f"{Condition.LEFT_NEURAL_FORAMINAL_NARROWING}_{Level.L4_L5}"
    if browser.run("return document.querySelector('.cell') !== null"):
        browser.press(f'.cell[data-slug="{slug}"]', "\n")
        browser.run("window.scrollTo(0, 0)")
    temporary = path.with_suffix(".png")
    browser.picture(temporary)
    with Image.open(temporary) as image:
        shown = image.convert("RGB").crop((0, 0, image.width, min(image.height, height)))
        shown.save(path, quality=78, optimize=True)
    temporary.unlink()


main = partial(run_program, Screenshots, "screenshots")

if __name__ == "__main__":
    sys.exit(main())
