"""Spectra of features, the numbers read from them, and how samples and views lie to each other.

Two spectra, always said which: **singular values** of the data matrix (RankMe) and **eigenvalues** of the covariance
(effective rank, participation ratio, stable rank). No rank is shown alone: it is blind to scale, so a shrunken
embedding can have the highest one; its total variance and a probe stand beside it. Ranks warn (``FewSamples``) where
n < 2 · d, and compare at equal n and d only (``comparable``).

Where several are taken of the same features, ``Spectrum.of(features)`` decomposes them once, and every measure that is
read from singular values or axes takes it in place of the features. Of 16 bits or fewer a warning (``Coarse``) says how
many directions drown in the rounding of their type.
"""

from sslens.measures.features import Coarse
from sslens.measures.spectrum.alignment_uniformity import alignment, uniformity
from sslens.measures.spectrum.cka import cka
from sslens.measures.spectrum.clid import Clid, Copies, clid
from sslens.measures.spectrum.coherence import coherence
from sslens.measures.spectrum.condition_number import condition_number
from sslens.measures.spectrum.effective_rank import effective_rank
from sslens.measures.spectrum.lidar import lidar
from sslens.measures.spectrum.neural_collapse import NeuralCollapse, neural_collapse
from sslens.measures.spectrum.participation_ratio import participation_ratio
from sslens.measures.spectrum.power_law import PowerLaw, power_law
from sslens.measures.spectrum.rankme import rankme
from sslens.measures.spectrum.reshape import principal, reshaped, spectral_map
from sslens.measures.spectrum.sample_size import FewSamples, comparable
from sslens.measures.spectrum.self_clustering import self_clustering
from sslens.measures.spectrum.singular_values import eigenvalues, singular_values
from sslens.measures.spectrum.spectrum import Spectrum
from sslens.measures.spectrum.stable_rank import stable_rank

__all__ = [
    "Clid",
    "Coarse",
    "Copies",
    "FewSamples",
    "NeuralCollapse",
    "PowerLaw",
    "Spectrum",
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
    "principal",
    "rankme",
    "reshaped",
    "self_clustering",
    "singular_values",
    "spectral_map",
    "stable_rank",
    "uniformity",
]
