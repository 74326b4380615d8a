"""Probes: what simple classifiers read from frozen features.

What returns an accuracy is called ``probe(known, queries)``, each a pair of features and labels; what predicts labels
is called ``classify(known_features, known_labels, queries)``, with the features of the queries alone.
"""

from sslens.measures.probe.accuracy import accuracy
from sslens.measures.probe.bootstrap import bootstrap
from sslens.measures.probe.correct import correct
from sslens.measures.probe.factors import explained, label_energy, r_squared
from sslens.measures.probe.few_shot import few_labels, few_shot
from sslens.measures.probe.inputs import Classify, Known, Queries
from sslens.measures.probe.knn import knn, knn_accuracy
from sslens.measures.probe.linear_probe import LinearProbe
from sslens.measures.probe.nearest_mean import classify_by_nearest_mean, nearest_mean
from sslens.measures.probe.prefixes import prefixes
from sslens.measures.probe.ridge import (
    ChosenRidge,
    classify_by_ridge,
    ridge,
    ridge_accuracy,
    ridge_loo,
    ridge_path,
)
from sslens.measures.probe.risk_decomposition import RiskDecomposition, risk_decomposition

__all__ = [
    "ChosenRidge",
    "Classify",
    "Known",
    "LinearProbe",
    "Queries",
    "RiskDecomposition",
    "accuracy",
    "bootstrap",
    "classify_by_nearest_mean",
    "classify_by_ridge",
    "correct",
    "explained",
    "few_labels",
    "few_shot",
    "knn",
    "knn_accuracy",
    "label_energy",
    "nearest_mean",
    "prefixes",
    "r_squared",
    "ridge",
    "ridge_accuracy",
    "ridge_loo",
    "ridge_path",
    "risk_decomposition",
]
