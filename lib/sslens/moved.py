"""Modules of version 0.1 that have another name now: importing one says which."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import final

MOVED = {
    "bank": "sslens.presets and sslens.train.Runs",
    "journeys": "sslens.studies.regions_on_the_move and sslens.train.Runs",
    "config": "sslens.train",
    "lab": "sslens.interactive",
    "batch": "sslens.headless",
    "language": "sslens.datasets.languages and sslens.encoders.Transformer",
    "train.material": "sslens.train.setup",
    "train.memory": "sslens.train.cache",
    "measures.dynamics": "sslens.measures.network_diagnostics",
    "measures.networks": "sslens.train.Runs.networks_along",
    "measures.plane": "sslens.measures.projection",
    "measures.agreement": "sslens.studies.one_number",
    "measures.whiteness": "sslens.studies.how_white",
    "measures.noisy": "sslens.studies.wrong_labels",
    "measures.selftraining": "sslens.studies.boosters_and_pseudo_labels",
    "measures.boosting": "sslens.studies.boosters_and_pseudo_labels",
    "measures.plasticity": "sslens.studies.regions_on_the_move",
    "figures.dynamics": "sslens.figures",
    "figures.abreast": "sslens.figures",
    "figures.counts": "sslens.figures",
    "figures.timeline": "sslens.figures",
}


@final
class _Moved(MetaPathFinder):
    """Asked last, when nobody has found the module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        house, _, name = fullname.partition(".")
        if house == "sslens" and name in MOVED:
            raise ModuleNotFoundError(
                f"{fullname} of version 0.1 is now {MOVED[name]}"
            )  # with a name it would be swallowed
        return None


def announce() -> None:
    """From now on, importing a module that has moved says where it is.

    >>> import sslens.lab
    Traceback (most recent call last):
        ...
    ModuleNotFoundError: sslens.lab of version 0.1 is now sslens.interactive
    """
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
