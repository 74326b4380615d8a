"""Work: training as a generator of snapshots; runs recorded once, continued where they stopped, side by side."""

from sslens.progress import progress
from sslens.train.cache import key, record, record_all, replay, restore
from sslens.train.config import Compute, Config, Data, Optimisation, Snapshots
from sslens.train.estimate import Estimate, estimate
from sslens.train.loop import fit
from sslens.train.runs import Runs
from sslens.train.setup import Setup, given_labels, learned, model_for, prepare

__all__ = [
    "Compute",
    "Config",
    "Data",
    "Estimate",
    "Optimisation",
    "Runs",
    "Setup",
    "Snapshots",
    "estimate",
    "fit",
    "given_labels",
    "key",
    "learned",
    "model_for",
    "prepare",
    "progress",
    "record",
    "record_all",
    "replay",
    "restore",
]
