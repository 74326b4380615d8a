"""How many samples a spectrum needs: who warns, who does not, and what is not compared."""

import subprocess
import sys
import warnings

import pytest
import torch
from tests.measures.spectrum.matrices import normal

from sslens.measures import spectrum
from sslens.measures.spectrum import FewSamples, comparable
from sslens.types import InputError


def two_views(h):
    return torch.stack([h, h + 1])


BIASED = {
    "rankme": spectrum.rankme,
    "effective_rank": spectrum.effective_rank,
    "participation_ratio": spectrum.participation_ratio,
    "stable_rank": spectrum.stable_rank,
    "condition_number": spectrum.condition_number,
    "coherence": spectrum.coherence,
    "lidar": lambda h: spectrum.lidar(two_views(h)),
    "cka, biased": lambda h: spectrum.cka(h, h[:, :2], unbiased=False),
}
OTHERS = {
    "singular_values": spectrum.singular_values,
    "eigenvalues": spectrum.eigenvalues,
    "alignment": lambda h: spectrum.alignment(h, h),
    "uniformity": spectrum.uniformity,
    "self_clustering": spectrum.self_clustering,
    "cka": lambda h: spectrum.cka(h, h),
    "spectral_map": lambda h: spectrum.spectral_map(h, 1.0),
    "comparable": comparable,
}


@pytest.mark.parametrize("name", BIASED)
def test_a_biased_measure_warns_below_twice_as_many_samples_as_dimensions(name):
    with pytest.warns(FewSamples, match=r"15 samples of 8 dimensions: below 2 x dim") as warned:
        BIASED[name](normal(0, 15, 8))
    assert len(warned) == 1
    BIASED[name](normal(0, 16, 8))  # warnings are errors here


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_biased_by_few_samples_does_not_warn(name):
    OTHERS[name](normal(0, 8, 8))


def test_bad_input_is_an_error_and_not_a_warning():
    with warnings.catch_warnings(), pytest.raises(InputError, match="finite"):
        warnings.simplefilter("error")
        spectrum.rankme(torch.full((3, 3), torch.nan))


def test_the_warning_names_the_line_that_called_and_comes_once():
    code = "import torch\nfrom sslens.measures.spectrum import rankme\nfor _ in range(3):\n    rankme(torch.eye(4))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert said.startswith("<string>:4: FewSamples: 4 samples of 4 dimensions") and said.count("FewSamples") == 1


def test_twice_the_dimensions_still_costs_white_features_a_tenth_of_their_rank_and_eight_times_a_fiftieth():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewSamples)
        found = [spectrum.rankme(normal(1, n, 64)) / 64 for n in (32, 64, 128, 512)]
    assert found == pytest.approx([0.465, 0.80, 0.925, 0.983], abs=0.015)


def test_features_of_one_shape_are_comparable():
    assert comparable(normal(0, 6, 2)) == comparable(normal(0, 6, 2), normal(1, 6, 2).float()) == (6, 2)


@pytest.mark.parametrize("shape", [(5, 2), (6, 3), (2, 6)])
def test_ranks_of_another_number_of_samples_or_dimensions_are_not_compared(shape):
    with pytest.raises(InputError, match=rf"features\[2\].*\(6, 2\).*equal n and equal d.*\({shape[0]}, {shape[1]}\)"):
        comparable(normal(0, 6, 2), normal(1, 6, 2), normal(2, *shape))


def test_nothing_is_not_comparable(unchecked):
    for features in ((), (None,), (torch.ones(3),), (torch.ones(2, 2), torch.full((2, 2), torch.nan))):
        with pytest.raises(InputError, match="features"):
            comparable(*features)
