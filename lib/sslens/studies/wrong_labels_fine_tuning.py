"""Fine-tuning: a network that begins with the weights of another run, and learns from the labels it is given."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import final

from jaxtyping import Shaped
from torch import Tensor, nn

from sslens.encoders import Encoder
from sslens.runtime import canonical_json
from sslens.train import Config, Runs, record, record_all
from sslens.types import InputError, checked_dataclass

FINE_TUNED = "fine-tuned"


@final
@checked_dataclass
class Pretrained(Encoder):
    """The encoder that another run ended with: a run with it begins where that one stopped, and trains all of it.

    An encoder of the same kind is drawn first and overwritten, so that the head behind it is the one that a run from
    scratch of the same seed begins with: two such runs differ in the encoder's first weights alone.

    >>> short = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> trained = record(short).snapshots[-1].part("model.encoder")
    >>> begun = Pretrained.of(record(short).config).build((1, 16, 16)).state_dict()
    >>> all(begun[name].equal(weights.to(begun[name].dtype)) for name, weights in trained.items())
    True
    """

    run: str
    """The config of that run, seed and all, as JSON."""

    @classmethod
    def of(cls, config: Mapping[str, object]) -> "Pretrained":
        """The encoder of the run of this config, as its trace holds it."""
        return cls(canonical_json(config))

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        """The network at the end of that run, which is trained first where it is not in the cache."""
        network = Config.of_json(json.loads(self.run)).encoder.build(shape)
        network.load_state_dict(_weights(self.run))
        return network


@lru_cache(maxsize=16)
def _weights(run: str) -> Mapping[str, Shaped[Tensor, "..."]]:
    return record(Config.of_json(json.loads(run))).snapshots[-1].part("model.encoder")


def fine_tuned(pretrained: Runs, supervised: Runs) -> Runs:
    """The supervised run again for every seed, from where the pre-trained encoder of that seed stands.

    The same labels, batches, head and length: the encoder's first weights are all that differs. They train one after
    the other in this process, as others do not know the class.

    Raises:
        InputError: several runs on either side, or other seeds.

    >>> from sslens.objectives import CrossEntropy
    >>> short = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> labelled = Runs.of({"80% redrawn": short.changed(objective=CrossEntropy())})
    >>> fine_tuned(Runs.of({"vicreg": short}), labelled).names
    ('fine-tuned',)
    """
    if len(pretrained) != 1 or len(supervised) != 1 or pretrained.seeds != supervised.seeds:
        given = [(list(runs), runs.seeds) for runs in (pretrained, supervised)]
        raise InputError("pretrained, supervised", given, "one run each, for the same seeds")
    pairs = zip(pretrained[pretrained.names[0]], supervised[supervised.names[0]], strict=True)
    configs = [Config.of_json(after.config).changed(encoder=Pretrained.of(before.config)) for before, after in pairs]
    return Runs({FINE_TUNED: record_all(configs, label="fine-tuning")}, supervised.seeds)
