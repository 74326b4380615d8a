"""The words that describe a run: flat, validated values that a notebook's parameters cell can hold."""

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any, final, get_type_hints

import torch

from sslens import datasets
from sslens.encoders import ENCODERS
from sslens.objectives import OBJECTIVES, CrossEntropy, SimCLR, SimSiam, VICReg
from sslens.runtime import DEVICES, canonical
from sslens.types import InputError, OneOf, Range, UnknownName, checked
from sslens.views import RECIPES, Recipe

Weight = Annotated[float, Range(0, 1e6)]


@final
@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides a run, as flat values that papermill can pass.

    >>> Config(objective="simclr", temperature=0.1).key() == Config(objective="simclr", temperature=0.1).key()
    True
    >>> Config(temprature=0.1)
    Traceback (most recent call last):
        ...
    sslens.types.UnknownName: Config must be one of: ... Got 'temprature'. Did you mean 'temperature'?
    """

    dataset: str = "scattered_digits"
    """A name of ``datasets.LOADERS``, or ``folder:PATH`` for a tree of class-named folders of images."""
    image_size: Annotated[int, Range(8, 512)] = 32
    """Side in pixels that a folder's images are resized to."""
    encoder: Annotated[str, OneOf(ENCODERS)] = "convnet"
    width: Annotated[int, Range(4, 1024)] = 64
    depth: Annotated[int, Range(1, 64)] = 3
    """Hidden layers of the MLP encoders; convolutional ones have a fixed depth."""
    features: Annotated[int, Range(0, 16384)] = 0
    """Dimensions of the representation, the width of the encoder's last layer or block; 0: what ``width`` makes it."""
    initial_scale: Annotated[float, Range(0, 1e3, above=True)] = 1.0
    """Factor on all weights and biases of encoder and head at the start."""
    hidden: Annotated[int, Range(2, 16384)] = 128
    """Width of the projector's hidden layer; the predictor's is half of it."""
    embedding: Annotated[int, Range(2, 16384)] = 64
    objective: Annotated[str, OneOf(OBJECTIVES)] = "vicreg"
    temperature: Annotated[float, Range(0, 1e3, above=True)] = SimCLR.temperature
    invariance: Weight = VICReg.invariance
    variance: Weight = VICReg.variance
    covariance: Weight = VICReg.covariance
    stop_gradient: bool = SimSiam.stop_gradient
    predictor: bool = SimSiam.predictor
    momentum: Annotated[float, Range(0, 1)] = 0.0
    """Of the momentum branch that gives the targets; 0 means no such branch."""
    nested: bool = CrossEntropy.nested
    """Whether cross-entropy classifies by nested prefixes of the representation, as Matryoshka learning does."""
    label_noise: Annotated[float, Range(0, 1)] = 0.0
    """Share of the training labels redrawn among all classes; held-out labels stay true."""
    tasks: Annotated[int, Range(1, 10**4)] = 1
    """Equal parts of the run, each with its own draw of the noisy labels: new tasks for the same network."""
    recipe: Annotated[str, OneOf(("auto", *RECIPES))] = "auto"
    """Augmentation; ``auto`` is ``digits`` for one channel and ``natural`` for three."""
    strength: Annotated[float, Range(0, 1)] = 1.0
    """Of the augmentation: 0 leaves the images as they are."""
    images: Annotated[int, Range(0, 10**7)] = 0
    """Training images used, the same for every seed; 0 means all."""
    steps: Annotated[int, Range(0, 10**6)] = 300
    batch_size: Annotated[int, Range(2, 65536)] = 256
    learning_rate: Annotated[float, Range(0, 1e9)] = 2e-3
    weight_decay: Annotated[float, Range(0, 100)] = 1e-4
    warmup: Annotated[float, Range(0, 1)] = 0.1
    """Share of the steps in which the learning rate rises linearly; then the schedule begins."""
    schedule: Annotated[str, OneOf(("cosine", "constant"))] = "cosine"
    """``cosine``: down to 0 along half a period."""
    snapshots: Annotated[int, Range(2, 1000)] = 16
    spacing: Annotated[str, OneOf(("quadratic", "logarithmic", "linear"))] = "quadratic"
    reference: Annotated[int, Range(16, 10**5)] = 600
    """Images looked at in every snapshot, from the training and from the test set each."""
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    dtype: Annotated[str, OneOf(("float32", "float64"))] = "float32"
    device: Annotated[str, OneOf(DEVICES)] = "auto"

    def __new__(cls, **values: Any) -> "Config":
        """Check what is given before the generated ``__init__`` meets it, so that every error is our own."""
        limits = get_type_hints(cls, include_extras=True)
        for name, value in values.items():
            if name not in limits:
                raise UnknownName("Config", name, limits)
            checked(f"Config.{name}", value, limits[name])
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, limit in get_type_hints(type(self), include_extras=True).items():
            object.__setattr__(self, name, checked(f"Config.{name}", getattr(self, name), limit))  # 1 becomes 1.0
        datasets.check_name(self.dataset)
        if self.encoder == "convnet" and self.width % 4:
            raise InputError("Config.width", self.width, "a multiple of 4 for the convnet")

    @classmethod
    def at(cls, profile: str, **values: Any) -> "Config":
        """The config of a profile: ``smoke`` in float64 for the checks, ``lesson`` in seconds, ``full`` for a GPU.

        Raises:
            UnknownName: no such profile, or no such field.

        >>> Config.at("smoke", seed=1).dtype
        'float64'
        """
        if profile not in SCALE:
            raise UnknownName("profile", profile, SCALE)
        return cls(**(SCALE[profile] | values))

    def key(self) -> str:
        """A name for the run: 16 hexadecimal digits that change with any field."""
        return hashlib.sha256(canonical(asdict(self)).encode()).hexdigest()[:16]

    def looks(self) -> list[int]:
        """The steps at which a snapshot is taken: first, last, and, unless linear, closer together early on."""
        ramp = torch.linspace(0, 1, self.snapshots, dtype=torch.float64)
        if self.spacing == "logarithmic":
            places = (self.steps + 1) ** ramp - 1
        else:
            places = ramp ** (2 if self.spacing == "quadratic" else 1) * self.steps
        return sorted({round(place) for place in places.tolist()})

    def augmentation(self, channels: int) -> Recipe:
        """The recipe named, or the one that ``auto`` stands for.

        >>> Config().augmentation(1) == RECIPES["digits"], Config().augmentation(3) == RECIPES["natural"]
        (True, True)
        """
        automatic = "digits" if channels == 1 else "natural"
        return RECIPES[automatic if self.recipe == "auto" else self.recipe]

    def rate(self, step: int) -> float:
        """The learning rate of a step: a linear rise, then half a cosine down to 0, or no change any more.

        >>> [round(Config(steps=10, warmup=0.2, learning_rate=1.0).rate(step), 2) for step in (0, 1, 2, 6, 10)]
        [0.33, 0.67, 1.0, 0.5, 0.0]
        """
        warmup = self.warmup * self.steps
        if step < warmup:
            return self.learning_rate * (step + 1) / (warmup + 1)
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (1 + math.cos(math.pi * (step - warmup) / max(1, self.steps - warmup))) / 2


SCALE: dict[str, dict[str, Any]] = {
    "smoke": {"steps": 120, "snapshots": 6, "batch_size": 64, "reference": 300, "dtype": "float64", "device": "cpu"},
    "lesson": {},
    "full": {"steps": 3000, "snapshots": 24, "reference": 2000},
}
"""What each profile changes: ``smoke`` computes in float64, which does not drift apart between machines."""
