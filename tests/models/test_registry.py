"""Members from elsewhere: named classes, plug-ins of packages, and what a model remembers of them."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from support.member import Linear, Timid

from lsdc.models import member_sources, registry
from lsdc.models.heads.members import Mlp
from lsdc.models.heads.sklearn_member import SklearnMember
from lsdc.models.options import Options
from lsdc.models.registry import (
    MEMBERS,
    available_members,
    member_class,
    member_from_origin,
    origin_of,
    resolve_members,
)
from lsdc.runtime import ArtifactError, ConfigError

MODULE = """
from support.member import Linear


class Mine(Linear):
    name = "mine"


class Nameless(Linear):
    name = "no/folder"


class Fussy(Linear):
    name = "fussy"

    def __init__(self):
        super().__init__()


class Half:
    name = "half"
    about = "half a member"

    def fit(self, examples, stop_on, work=None):
        return self


def function():
    pass
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module on the path, with members and what is none."""
    (tmp_path / "somebodys_members.py").write_text(MODULE)
    (tmp_path / "broken_members.py").write_text("1 / 0\n")
    (tmp_path / "needy_members.py").write_text("import catboost_of_somebody\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "somebodys_members"


@pytest.fixture
def plug_ins(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed packages that register a member: one works, one breaks, one is registered under another name."""
    points = [
        EntryPoint("mine", f"{module}:Mine", member_sources.ENTRY_POINTS),
        EntryPoint("broken", "broken_members:Broken", member_sources.ENTRY_POINTS),
        EntryPoint("misnamed", f"{module}:Mine", member_sources.ENTRY_POINTS),
        EntryPoint("mlp", f"{module}:Mine", member_sources.ENTRY_POINTS),
    ]

    def entry_points(group: str) -> list[EntryPoint]:
        assert group == "lsdc.members"
        return points

    monkeypatch.setattr(member_sources, "entry_points", entry_points)


def test_members_are_resolved_in_order() -> None:
    estimator = SklearnMember(_Guess(), name="guess")
    resolved = resolve_members(["xgboost", Timid, estimator, "support.member:Linear"])
    assert list(resolved) == ["xgboost", "timid", "guess", "linear"]
    options = Options(epochs=3)
    for name, factory in resolved.items():
        member = factory(7, options)
        assert (member.name, member.seed, member.options) == (name, 7, options)
    made = resolved["guess"](7, options)
    assert made is not estimator
    assert estimator.seed == 0


def test_a_class_is_found_in_a_module_on_the_path(module: str) -> None:
    kind = member_class(f"{module}:Mine")
    assert (kind.name, origin_of(kind), origin_of(kind())) == ("mine", f"{module}:Mine", f"{module}:Mine")
    assert member_from_origin("mine", f"{module}:Mine") is kind


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("resnet", "members: 'resnet' is unknown; expected some of lightgbm, xgboost, mlp"),
        ("no_such_module:Mine", r"'no_such_module:Mine': there is no module 'no_such_module' here"),
        ("needy_members:Mine", r"'needy_members:Mine': there is no module 'catboost_of_somebody' here"),
        ("broken_members:Mine", "'broken_members:Mine' cannot be imported: ZeroDivisionError"),
        ("somebodys_members:Yours", "the module somebodys_members has no 'Yours'"),
        ("somebodys_members:", "expected module:Class"),
        (":Mine", "expected module:Class"),
        (".relative:Mine", "expected module:Class"),
        ("somebodys_members:function", "'somebodys_members:function' is not a class"),
        (
            "somebodys_members:Half",
            "is not a member: it lacks needs, require, predict_proba, save, load; see lsdc",
        ),
        ("somebodys_members:Nameless", "the name 'no/folder' must be letters"),
        ("somebodys_members:Fussy", "'somebodys_members:Fussy' cannot be made from a seed and options"),
        (SklearnMember, "needs a class attribute `name`"),
        (int, "builtins:int is not a member"),
        (3, "3 is neither a name, nor module:Class"),
    ],
)
def test_what_is_no_member_is_refused(module: str, member: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_members([member])


def test_members_come_once_and_at_least_one() -> None:
    with pytest.raises(ConfigError, match="'mlp' comes twice; name each member once"):
        resolve_members(["mlp", "lightgbm", Mlp])
    with pytest.raises(ConfigError, match="none is given; name some of lightgbm"):
        resolve_members([])
    with pytest.raises(ConfigError, match="members must be a list, not 'mlp'; put it into"):
        resolve_members("mlp")


@pytest.mark.usefixtures("plug_ins")
def test_an_installed_package_can_register_a_member() -> None:
    assert member_class("mine").about == "logistic regression"
    assert list(resolve_members(["mine", "mlp"])) == ["mine", "mlp"]
    assert member_class("mlp") is Mlp  # a built-in member cannot be replaced
    assert member_from_origin("mine", None).name == "mine"


@pytest.mark.usefixtures("plug_ins")
def test_a_broken_plug_in_is_reported_and_the_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(registry, "warn", lines.append)
    found = available_members()
    assert list(found) == [*MEMBERS, "mine"]
    words = " ".join(lines)
    assert "the plug-in 'broken' (broken_members:Broken) cannot be loaded: ZeroDivisionError" in words
    assert "the plug-in 'misnamed' (somebodys_members:Mine) holds a member named 'mine'" in words
    with pytest.raises(ConfigError, match="the plug-in 'broken'"):
        member_class("broken")
    with pytest.raises(
        ConfigError, match=r"expected some of lightgbm.*, mine, broken, misnamed, or module:Class"
    ):
        member_class("resnet")


def test_a_model_whose_member_is_not_here_says_what_to_install(module: str) -> None:
    with pytest.raises(
        ArtifactError,
        match=r"member 'x' comes from 'my_module:MyMember', which cannot be imported here; "
        r"install the package that has it",
    ):
        member_from_origin("x", "my_module:MyMember")
    with pytest.raises(ArtifactError, match="member 'x' is neither built in nor registered"):
        member_from_origin("x", None)
    with pytest.raises(ArtifactError, match=r"'half' comes from .* is not a member: it lacks needs"):
        member_from_origin("half", f"{module}:Half")


def test_built_in_members_have_origins_and_need_none() -> None:
    for name, kind in MEMBERS.items():
        assert member_from_origin(name, origin_of(kind)) is kind
        assert member_from_origin(name, None) is kind


def test_a_member_that_was_put_into_the_table_is_found_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Local(Linear):
        name = "local"

    monkeypatch.setitem(MEMBERS, "local", Local)
    assert member_from_origin("local", origin_of(Local)) is Local


class _Guess:
    """The least that scikit-learn's interface asks for."""

    def fit(self, X: Any, y: Any) -> Any:
        raise NotImplementedError

    def predict_proba(self, X: Any) -> Any:
        raise NotImplementedError

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}


def test_a_model_cannot_make_python_run_its_own_modules() -> None:
    with pytest.raises(ArtifactError, match="the module is part of Python and has no member"):
        member_from_origin("x", "antigravity:Fly")
