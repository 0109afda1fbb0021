"""Doing in the test's process what belongs into others, so that what the test patches is seen."""

from __future__ import annotations

import multiprocessing

import pytest


def work_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `attempt_each` work in this process, as it does where no children are allowed."""
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
