"""Spectra of features, and the numbers read from them."""

from sslens.measures.spectrum.ranks import eigenvalues, participation_ratio, rankme, singular_values, stable_rank

__all__ = ["eigenvalues", "participation_ratio", "rankme", "singular_values", "stable_rank"]
