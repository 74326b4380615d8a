"""Work: training as a generator of snapshots; runs recorded once, continued where they stopped, restored."""

from sslens.config import Config
from sslens.train.loop import fit
from sslens.train.memory import record, record_all, restore

__all__ = ["Config", "fit", "record", "record_all", "restore"]
