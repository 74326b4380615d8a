"""Probes: what simple readers of frozen features can tell."""

from sslens.measures.probe.decomposition import Risk, bootstrap, risk
from sslens.measures.probe.factors import label_energy, r_squared
from sslens.measures.probe.linear import Chosen, Probe, nearest_mean, ridge, ridge_loo, ridge_path
from sslens.measures.probe.neighbours import knn
from sslens.measures.probe.shots import accuracy, few_labels, few_shot

__all__ = [
    "Chosen",
    "Probe",
    "Risk",
    "accuracy",
    "bootstrap",
    "few_labels",
    "few_shot",
    "knn",
    "label_energy",
    "nearest_mean",
    "r_squared",
    "ridge",
    "ridge_loo",
    "ridge_path",
    "risk",
]
