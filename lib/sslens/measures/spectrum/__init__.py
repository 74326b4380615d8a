"""Spectra of features, the numbers read from them, and how samples and views lie to each other."""

from sslens.measures.spectrum.clusters import Clid, clid
from sslens.measures.spectrum.conditioning import coherence, condition_number
from sslens.measures.spectrum.powerlaw import PowerLaw, power_law, spectral_map
from sslens.measures.spectrum.ranks import (
    effective_rank,
    eigenvalues,
    participation_ratio,
    rankme,
    singular_values,
    stable_rank,
)
from sslens.measures.spectrum.samples import FewSamples, comparable
from sslens.measures.spectrum.scatter import NeuralCollapse, lidar, neural_collapse
from sslens.measures.spectrum.similarity import cka
from sslens.measures.spectrum.sphere import alignment, self_clustering, uniformity

__all__ = [
    "Clid",
    "FewSamples",
    "NeuralCollapse",
    "PowerLaw",
    "alignment",
    "cka",
    "clid",
    "coherence",
    "comparable",
    "condition_number",
    "effective_rank",
    "eigenvalues",
    "lidar",
    "neural_collapse",
    "participation_ratio",
    "power_law",
    "rankme",
    "self_clustering",
    "singular_values",
    "spectral_map",
    "stable_rank",
    "uniformity",
]
