"""What all studies share: a notebook's parameters, its module, sentences that follow the verdicts."""

import sys
from types import ModuleType
from typing import Annotated

import numpy as np
import pytest
from xarray import DataArray

from sslens import studies
from sslens.claims import Claim
from sslens.studies import first_light, from_namespace, of_notebook
from sslens.studies.study import in_one_line, outcomes, stacked, stated
from sslens.types import InputError, OneOf, Range, checked_dataclass

RANK = Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5)
SENTENCES = ("it falls", "it stays", "it may fall")


@checked_dataclass
class Setting:
    temperature: Annotated[float, Range(0, 10, above=True)]
    dataset: Annotated[str, OneOf(("digits", "cifar10"))]
    profile: str = "lesson"


NAMESPACE = {"temperature": 1, "dataset": "digits", "profile": "lesson", "other": object(), "_": 3}


def test_a_setting_is_made_of_the_notebooks_parameters(monkeypatch):
    monkeypatch.delenv("SSLENS_PROFILE", raising=False)
    assert from_namespace(Setting, NAMESPACE) == Setting(1.0, "digits", "lesson")


def test_the_checks_set_the_profile(monkeypatch):
    monkeypatch.setenv("SSLENS_PROFILE", "smoke")
    assert from_namespace(Setting, NAMESPACE).profile == "smoke"


def test_smoke_takes_two_seeds_of_those_a_notebook_names_and_no_other_profile_does(monkeypatch):
    monkeypatch.delenv("SSLENS_PROFILE", raising=False)
    setting = first_light.Setting.of
    parameters = {name: spec.default for name, spec in first_light.Setting.__dataclass_fields__.items()}
    taken = {
        (profile, seeds): setting(parameters | {"profile": profile, "seeds": seeds}).seeds
        for profile in ("smoke", "lesson", "full")
        for seeds in (1, 2, 5)
    }
    assert taken == {(profile, seeds): min(seeds, 2) if profile == "smoke" else seeds for profile, seeds in taken}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0}, r"Setting.temperature must be a float in \(0, 10\]"),
        ({"temperature": "0.5"}, "Setting.temperature must be a float"),
        ({"dataset": "cifar"}, "Did you mean 'cifar10'"),
        ({"profile": "leson"}, "Did you mean 'lesson'"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(monkeypatch, change, message):
    monkeypatch.delenv("SSLENS_PROFILE", raising=False)
    with pytest.raises(InputError, match=message):
        from_namespace(Setting, NAMESPACE | change)


def test_a_parameter_that_the_notebook_lacks_is_named():
    with pytest.raises(
        InputError, match=r"assigned in the notebook's parameters cell. Got \['temperature', 'profile'\]"
    ):
        from_namespace(Setting, {"dataset": "digits"})


def test_a_study_is_found_by_its_notebooks_name_alone(monkeypatch):
    module = ModuleType("sslens.studies.thrown_away")
    module.__spec__ = type(sys.__spec__)("sslens.studies.thrown_away", None)
    module.NOTEBOOK = "77_thrown_away"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert of_notebook("77_thrown_away") is module
    assert of_notebook("78_thrown_away") is None


@pytest.mark.parametrize("stem", ["99_nowhere", "", "99_", "study", "../secrets", "a b", "00-first", "99_os.path"])
def test_where_there_is_no_study_there_is_none(stem):
    assert of_notebook(stem) is None


@pytest.mark.parametrize(("holds", "sentence"), [(True, "it falls"), (False, "it stays"), (None, "it may fall")])
def test_a_sentence_follows_the_verdict(holds, sentence):
    assert stated(RANK, {"rank ratio": holds}, SENTENCES) == sentence
    assert stated(RANK, {}, SENTENCES) == "it may fall"


def test_verdicts_their_records_and_what_came_of_them_are_all_understood():
    verdicts = [RANK.judge([0.1, 0.11])]
    expected = {"rank ratio": True}
    assert outcomes(verdicts) == outcomes([each.record() for each in verdicts]) == outcomes(expected) == expected


@pytest.mark.parametrize("holds", [True, False, None])
@pytest.mark.parametrize("other", [True, False, None])
def test_one_line_follows_every_verdict(holds, other):
    second = Claim("Accuracy rises.", source="ours", quantity="gain", above=0.0)
    line = in_one_line({"rank ratio": holds, "gain": other}, {RANK: ("rank falls", "rank stays")}, others=[second])
    assert ("Rank falls" in line) == (holds is True) and ("Rank stays" in line) == (holds is False)
    assert ("1 more holds" in line) == (other is True) and ("1 more fails" in line) == (other is False)
    unanswered = [holds, other].count(None)
    assert (f"{unanswered} open" in line) == bool(unanswered) and line.endswith(".")


def test_what_is_counted_agrees_with_its_number():
    others = [Claim("It rises.", source="ours", quantity=name, above=0.0) for name in "abcd"]
    found = {"a": True, "b": True, "c": False, "d": False}
    assert in_one_line(found, {}, others=others) == "2 more hold, 2 more fail."
    assert in_one_line(found | {"b": None, "d": None}, {}, others=others) == "1 more holds, 1 more fails, 2 open."


def test_arrays_are_stacked_only_where_their_labels_are_the_same():
    one = DataArray(np.zeros(2), {"seed": [0, 1]}, name="rank", attrs={"unit": ""})
    found = stacked({"a": one, "b": one + 1}, "probe")
    assert found.dims == ("probe", "seed") and found.coords["probe"].values.tolist() == ["a", "b"]
    assert found.sel(probe="b").values.tolist() == [1, 1]
    with pytest.raises(ValueError, match="exact"):
        stacked({"a": one, "b": one.isel(seed=[0])}, "probe")


def test_what_stacked_arrays_do_not_share_is_left_out():
    def taken(choice, unit):
        coords = {"run": ["a"], "choice": choice, "status": ("run", ["complete"])}
        return DataArray([1.0], coords, ["run"], attrs={"unit": unit, "of": "h"})

    found = stacked({"RankMe": taken("RankMe", "nats"), "kNN": taken("kNN", "")}, "measure")
    assert set(found.coords) == {"run", "measure"} and found.attrs == {"of": "h"}


def test_the_face_of_the_studies_is_whole():
    assert all(hasattr(studies, name) for name in studies.__all__)
