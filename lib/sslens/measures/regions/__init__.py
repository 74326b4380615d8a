"""Linear regions: how a piecewise affine network cuts its input space."""

from sslens.measures.regions.complexity import LocalComplexity, local_complexity

__all__ = ["LocalComplexity", "local_complexity"]
