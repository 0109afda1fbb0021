"""The dashboard serves a search with its note, and a finished model's plots at its best trial."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.scoring import make_grades, make_probabilities

from lsdc.commands.ensemble import main
from lsdc.ensemble.nested import stack
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stacking_data import StackingData
from lsdc.ensemble.tuning.search import Search, minimize
from lsdc.ensemble.tuning.storage import JOURNAL, open_storage
from lsdc.models.search_space import Range
from lsdc.report.dashboard import decorate, serve


@pytest.fixture
def model(tmp_path: Path) -> Path:
    search = Search("stack", "total", [{"a": Range()}], [], trials=3, note="What is tuned.")
    minimize(search, lambda point, report: {"total": point["a"]}, open_storage(tmp_path / JOURNAL))
    return tmp_path


@pytest.fixture(scope="module")
def blended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    grades = make_grades(rng, 40, 0.05)
    cubes = np.stack([make_probabilities(rng, 40, grades, skill) for skill in (0.5, 0.4)])
    predictions = Predictions(("one", "two"), tuple(f"{k}" for k in range(40)), cubes)
    out = tmp_path_factory.mktemp("blended")
    stack(StackingData(predictions, grades, np.arange(40) % 2), out, trials=8, seed=0)
    return out


def answer(url: str, tries: int = 150) -> Any:
    for _ in range(tries):
        try:
            with urllib.request.urlopen(url, timeout=10) as found:
                return json.load(found)
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def started(model: Path) -> str:
    pytest.importorskip("optuna_dashboard")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threading.Thread(target=serve, args=(model, "127.0.0.1", port), daemon=True).start()
    url = f"http://127.0.0.1:{port}"
    answer(f"{url}/api/studies")
    return url


def test_dashboard_shows_the_search(model: Path) -> None:
    url = started(model)
    assert [study["study_name"] for study in answer(f"{url}/api/studies")["study_summaries"]] == ["stack"]
    study = answer(f"{url}/api/studies/0")
    assert study["note"]["body"] == "What is tuned." and study["objective_names"] == ["total"]
    assert study["best_trials"][0]["artifacts"] == []


def test_the_best_trial_has_plots_once(blended: Path) -> None:
    pytest.importorskip("optuna_dashboard")
    for _ in range(2):
        decorate(blended, open_storage(blended / JOURNAL))
    study = answer(f"{started(blended)}/api/studies/0")
    names = [artifact["filename"] for artifact in study["best_trials"][0]["artifacts"]]
    assert sorted(names) == ["confusion.png", "reliability.png", "weights.png"]
    attributes = {entry["key"] for entry in study["best_trials"][0]["user_attrs"]}
    assert attributes == {"spinal", "foraminal", "subarticular", "any_severe", "total"}


@pytest.fixture
def browser() -> Iterator[Any]:
    selenium = pytest.importorskip("selenium.webdriver")
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium is installed (Debian: chromium, chromium-driver)")
    options = selenium.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1500,1400",
    ):  # fmt: skip
        options.add_argument(argument)
    window = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    yield window
    window.quit()


@pytest.mark.slow
def test_a_browser_finds_the_search_its_best_trial_and_a_plot(blended: Path, browser: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    url = started(blended)
    wait = WebDriverWait(browser, 60)

    def body(_: object) -> str:
        return browser.execute_script("return document.body.innerText")

    browser.get(f"{url}/dashboard")
    wait.until(lambda _: "stack" in body(_))
    best = answer(f"{url}/api/studies/0")["best_trials"][0]
    browser.get(f"{url}/dashboard/studies/0")
    wait.until(lambda _: f"Best Trial (number={best['number']})" in body(_))
    browser.get(f"{url}/dashboard/studies/0/trials?numbers={best['number']}")
    wait.until(lambda _: "reliability.png" in body(_) or browser.find_elements("tag name", "img"))
    script = "return [...document.images].map(i => [i.src, i.naturalWidth])"
    wait.until(lambda _: any(width > 500 for _, width in browser.execute_script(script)))
    plots = [src for src, width in browser.execute_script(script) if width > 500]
    assert any(artifact["artifact_id"] in src for src in plots for artifact in best["artifacts"])


def test_without_the_extra_the_remedy_is_named(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    assert main(["dashboard", str(model)]) == 2
    assert "pip install 'lsdc-toolkit[dashboard]'" in capsys.readouterr().err


def test_without_trials_there_is_nothing_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", str(tmp_path)]) == 2
    assert "no optuna.journal there" in capsys.readouterr().err


def test_a_port_in_use_is_named(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna_dashboard")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["dashboard", str(model), "--port", str(port)]) == 2
    assert f"cannot serve on 127.0.0.1:{port}" in capsys.readouterr().err
