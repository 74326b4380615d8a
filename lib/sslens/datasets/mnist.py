"""MNIST and Fashion-MNIST: 70,000 grey images of 28x28 pixels each, ten classes, from their gzipped IDX files.

Sizes and SHA-256 are those that tensorflow-datasets lists in ``url_checksums`` for the files of the same names;
torchvision knows the same files by their MD5.
"""

from collections.abc import Sequence
from pathlib import Path

from sslens.datasets import published
from sslens.datasets.archives import idx
from sslens.datasets.cache import Decoded
from sslens.datasets.fetch import Source
from sslens.datasets.published import SIDES, PublishedDataset
from sslens.types import Dataset

FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def _sources(place: str, *known: tuple[int, str]) -> tuple[Source, ...]:
    return tuple(Source(place + name, size, sha256) for name, (size, sha256) in zip(FILES, known, strict=True))


def _decode(expected: PublishedDataset, paths: Sequence[Path]) -> Decoded:
    content = {}
    for side, images, labels in zip(SIDES, paths[::2], paths[1::2], strict=True):
        count = expected.counts[side]
        content[f"{side} images"] = idx(images, (count, *expected.shape[1:])).unsqueeze(1)
        content[f"{side} labels"] = idx(labels, (count,))
    return content


MNIST = PublishedDataset(
    name="mnist",
    sources=_sources(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    counts={"train": 60_000, "test": 10_000},
    shape=(1, 28, 28),
    classes=tuple("0123456789"),
    decode=_decode,
    module=__name__,
)
FASHION_MNIST = PublishedDataset(
    name="fashion_mnist",
    sources=_sources(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    counts={"train": 60_000, "test": 10_000},
    shape=(1, 28, 28),
    classes=CLOTHES,
    decode=_decode,
    module=__name__,
)


def mnist() -> tuple[Dataset, Dataset]:
    """Handwritten digits, white on black: 60,000 images ``(n, 1, 28, 28)`` for training and 10,000 for testing.

    Raises:
        InputError: a file is not there and cannot be fetched; the text says which files to put where.
        DamagedFile: a file is not the published one.

    Reference: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, Proceedings
    of the IEEE 86 (1998), https://doi.org/10.1109/5.726791.

    >>> MNIST.classes[3], MNIST.sources[0].name
    ('3', 'train-images-idx3-ubyte.gz')
    """
    return published.load(MNIST)


def fashion_mnist() -> tuple[Dataset, Dataset]:
    """Articles of clothing: 60,000 images ``(n, 1, 28, 28)`` for training and 10,000 for testing.

    Raises:
        InputError: a file is not there and cannot be fetched; the text says which files to put where.
        DamagedFile: a file is not the published one.

    Reference: Xiao, Rasul and Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms (2017), https://arxiv.org/abs/1708.07747.

    >>> FASHION_MNIST.classes[9], sum(source.size for source in FASHION_MNIST.sources)
    ('Ankle boot', 30878645)
    """
    return published.load(FASHION_MNIST)
