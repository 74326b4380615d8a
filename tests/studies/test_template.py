"""The template's exercises have right answers, as an example for those of every study."""

import numpy as np
import pytest
from xarray import DataArray

from sslens.studies import _template as study

RANK = DataArray(
    np.array([[[14.0, 2.0, 11.0], [16.0, 4.0, 34.0]]]),
    {"run": ["vicreg"], "seed": [0, 1], "step": [0, 5, 60]},
    ("run", "seed", "step"),
)


def test_the_questions_follow_the_figure():
    exercises = study.exercises(RANK)
    assert exercises["narrowest"].check(5).right is True
    assert exercises["recovered"].check(1.5).right is True
    assert "1.5 times" in repr(exercises["recovered"].solution())


@pytest.mark.parametrize(("function", "right"), [(study.rankme_by_hand, True), (lambda z: z.sum(), False)])
def test_rankme_by_hand_is_the_librarys(function, right):
    assert study.exercises(RANK)["by_hand"].check(function).right is right
