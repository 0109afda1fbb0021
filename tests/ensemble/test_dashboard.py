import json
import socket
import sys
import threading
import time
import urllib.request

import pytest

from lsdc.ensemble.cli import main
from lsdc.ensemble.dashboard import serve
from lsdc.ensemble.tune import JOURNAL, Search, minimize


@pytest.fixture
def model(tmp_path):
    minimize(Search("spinal", "loss", ["a"], [], trials=3), lambda point: point["a"], tmp_path / JOURNAL)
    return tmp_path


def test_dashboard_shows_the_study(model):
    pytest.importorskip("optuna_dashboard")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threading.Thread(target=serve, args=(model, "127.0.0.1", port), daemon=True).start()
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies", timeout=5) as answer:
                found = json.load(answer)
            break
        except OSError:
            time.sleep(0.1)
    assert [study["study_name"] for study in found["study_summaries"]] == ["spinal"]


def test_without_the_extra_the_remedy_is_named(model, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    assert main(["dashboard", str(model)]) == 2
    assert "pip install 'lsdc[dashboard]'" in capsys.readouterr().err


def test_without_trials_there_is_nothing_to_show(tmp_path, capsys):
    assert main(["dashboard", str(tmp_path)]) == 2
    assert "no optuna.journal there" in capsys.readouterr().err


def test_a_port_in_use_is_named(model, capsys):
    pytest.importorskip("optuna_dashboard")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["dashboard", str(model), "--port", str(port)]) == 2
    assert f"cannot serve on 127.0.0.1:{port}" in capsys.readouterr().err
