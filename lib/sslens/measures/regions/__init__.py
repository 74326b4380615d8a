"""Linear regions: how a piecewise affine network cuts its input space."""

from sslens.measures.regions.complexity import ExactComplexity, LocalComplexity, exact_complexity, local_complexity
from sslens.measures.regions.partition import count_regions, partition, partitions
from sslens.measures.regions.random_networks import random_network
from sslens.measures.regions.records import Partition
from sslens.measures.regions.sampling import count_sampled, grid
from sslens.measures.regions.segments import Segments, segment
from sslens.measures.regions.slices import Plane, square
from sslens.measures.regions.spline import SPLINE_FEATURES, attention_dimension, spline_features
from sslens.measures.regions.texts import TextFeatures, text_features

__all__ = [
    "SPLINE_FEATURES",
    "ExactComplexity",
    "LocalComplexity",
    "Partition",
    "Plane",
    "Segments",
    "TextFeatures",
    "attention_dimension",
    "count_regions",
    "count_sampled",
    "exact_complexity",
    "grid",
    "local_complexity",
    "partition",
    "partitions",
    "random_network",
    "segment",
    "spline_features",
    "square",
    "text_features",
]
