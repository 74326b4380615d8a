"""Probes: what a simple classifier reads from frozen features."""

from sslens.measures.probe.linear import Probe, accuracy, few_shot, knn, ridge

__all__ = ["Probe", "accuracy", "few_shot", "knn", "ridge"]
