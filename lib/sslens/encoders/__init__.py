"""Networks: encoders that turn images into representations, the heads behind them, and the model around all.

A new encoder, or predictor, is one file and one line here.
"""

from sslens.encoders.convnet import ConvNet
from sslens.encoders.encoder import Encoder, Predictor
from sslens.encoders.heads import Bottleneck, PrefixHeads, Projector, classifier, head
from sslens.encoders.mlp import MLP, mlp
from sslens.encoders.model import Model, pooled
from sslens.encoders.random_network import random_network
from sslens.encoders.resnet18 import ResNet18
from sslens.encoders.transformer import Reading, Transformer, readings

ENCODERS: dict[str, type[Encoder]] = {
    "convnet": ConvNet,
    "resnet18": ResNet18,
    "mlp": MLP,
    "transformer": Transformer,
}
PREDICTORS: dict[str, type[Predictor]] = {"bottleneck": Bottleneck}

__all__ = [
    "ENCODERS",
    "MLP",
    "PREDICTORS",
    "Bottleneck",
    "ConvNet",
    "Encoder",
    "Model",
    "Predictor",
    "PrefixHeads",
    "Projector",
    "Reading",
    "ResNet18",
    "Transformer",
    "classifier",
    "head",
    "mlp",
    "pooled",
    "random_network",
    "readings",
]
