"""Linear regions: how a piecewise affine network cuts its input space."""

from sslens.measures.regions._exact.nonlinearities import RECTIFIERS
from sslens.measures.regions._exact.result import Edges, Partition
from sslens.measures.regions.boundary import Boundary, boundary_points
from sslens.measures.regions.complexity import ExactComplexity, LocalComplexity, exact_complexity, local_complexity
from sslens.measures.regions.enumeration import count_regions, partition, partitions
from sslens.measures.regions.planes import Plane, square
from sslens.measures.regions.sampling import count_sampled, grid
from sslens.measures.regions.segments import Segments, segment

__all__ = [
    "RECTIFIERS",
    "Boundary",
    "Edges",
    "ExactComplexity",
    "LocalComplexity",
    "Partition",
    "Plane",
    "Segments",
    "boundary_points",
    "count_regions",
    "count_sampled",
    "exact_complexity",
    "grid",
    "local_complexity",
    "partition",
    "partitions",
    "segment",
    "square",
]
