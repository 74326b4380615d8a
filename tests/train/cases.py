"""What the tests of training share: tiny runs, equality to the bit, objectives and predictors with a state."""

from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, final
from unittest.mock import patch

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from sslens.encoders import MLP, Predictor
from sslens.objectives import Objective
from sslens.train import Config, fit
from sslens.types import Range, checked_dataclass
from sslens.views import RECIPES

TINY = {
    "data": {"name": "digits"},
    "encoder": MLP(width=8, depth=2),
    "projector": {"hidden": 16, "embedding": 8},
    "optimisation": {"steps": 6, "batch_size": 32},
    "snapshots": {"count": 3, "reference": 32},
    "compute": {"device": "cpu"},
}
"""Changes of a config that make a run of some milliseconds."""
MULTI_CROP = replace(
    RECIPES["digits"], area=(0.5, 1.0), views=2, further=(replace(RECIPES["digits"], size=6, views=3),)
)
"""Two large views and three small ones."""


def same(first, second):
    """Hold two runs, or lists of snapshots, against each other bit for bit."""
    pairs = zip(*(getattr(each, "snapshots", each) for each in (first, second)), strict=True)
    for one, other in pairs:
        assert one.step == other.step
        for name in ("representation", "embedding"):
            assert torch.equal(getattr(one, name), getattr(other, name))
        for name in ("terms", "state"):
            ours, theirs = getattr(one, name), getattr(other, name)
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@contextmanager
def interrupted_at(step):
    """Somebody presses Ctrl-C when a recording reaches this step."""

    def interrupted(*given, **named):
        for snapshot in fit(*given, **named):
            if snapshot.step == step:
                raise KeyboardInterrupt
            yield snapshot

    with patch("sslens.train.cache.fit", interrupted), pytest.raises(KeyboardInterrupt):
        yield


@final
class Centre(nn.Module):
    def __init__(self, dimensions):
        super().__init__()
        self.register_buffer("centre", torch.zeros(dimensions))


@final
@checked_dataclass
class Centred(Objective):
    """DINO's loss on every pair of a large view of the teacher and another view of the student."""

    temperature: Annotated[float, Range(0, 1e3, above=True)] = 0.1
    momentum: float = 0.5

    def compares(self, views):
        return views >= 2

    def begin(self, dimensions, generator):
        return Centre(dimensions.embedding)

    def terms(self, outputs, state=None):
        shares = ((outputs.target.detach() - state.centre) / self.temperature).softmax(-1)
        logs = (outputs.embedding / self.temperature).log_softmax(-1)
        losses = [
            -(shares[large] * logs[view]).sum(-1).mean()
            for large in range(len(shares))
            for view in range(len(logs))
            if view != large
        ]
        return {"self-distillation": torch.stack(losses).mean()}

    def after_step(self, outputs, state):
        state.centre.lerp_(outputs.target.flatten(0, 1).mean(0), 1 - self.momentum)


@final
class Queue(nn.Module):
    def __init__(self, dimensions, length, generator):
        super().__init__()
        self.register_buffer("rows", normalize(torch.randn(length, dimensions, generator=generator)))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))


@final
@checked_dataclass
class Queued(Objective):
    """MoCo's loss: the other view against a queue of earlier targets."""

    length: Annotated[int, Range(1, 10**6)] = 48

    def begin(self, dimensions, generator):
        return Queue(dimensions.embedding, self.length, generator)

    def terms(self, outputs, state=None):
        query, positive = (normalize(z) for z in (outputs.embedding[0], outputs.target[1].detach()))
        logits = torch.cat([(query * positive).sum(1, keepdim=True), query @ state.rows.T], 1) / 0.2
        return {"InfoNCE": cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64))}

    def after_step(self, outputs, state):
        rows = normalize(outputs.target[1])
        places = (state.place + torch.arange(len(rows))) % self.length
        state.rows[places] = rows
        state.place.add_(len(rows)).remainder_(self.length)


@final
@checked_dataclass
class Prototypes(Objective):
    """SwAV's loss with plain softmax targets: the prototypes are trained."""

    count: Annotated[int, Range(2, 10**6)] = 5

    def begin(self, dimensions, generator):
        prototypes = nn.Linear(dimensions.embedding, self.count, bias=False)
        nn.init.normal_(prototypes.weight, generator=generator)
        return prototypes

    def terms(self, outputs, state=None):
        first, second = (state(normalize(z)) for z in outputs.embedding)
        pairs = ((first, second), (second, first))
        return {"swapped": sum(cross_entropy(scores, other.softmax(1).detach()) for scores, other in pairs)}


@final
class Aligned(nn.Module):
    """A linear predictor that is set to the moving covariance of the embedding, never trained."""

    def __init__(self, dimensions, rate):
        super().__init__()
        self.rate = rate
        self.register_buffer("covariance", torch.eye(dimensions))

    def forward(self, z):
        return z @ self.covariance

    def after_step(self, outputs):
        z = outputs.embedding.flatten(0, 1)
        self.covariance.lerp_(z.T @ z / len(z), self.rate)


@final
@checked_dataclass
class DirectPredictor(Predictor):
    """In the manner of DirectPred (Tian et al. 2021), without its square root."""

    rate: Annotated[float, Range(0, 1)] = 0.3

    def build(self, dimensions):
        return Aligned(dimensions, self.rate)


def tiny(profile="lesson", **changes):
    """A config of a run of some milliseconds, with changes of its own."""
    return Config.at(profile, **TINY).changed(**changes)
