"""Data to learn from, by name: whole sets as tensors, a training and a test side.

A new set is a file with a ``load`` of its own and one line in ``LOADERS``; its options are the keyword-only
parameters of that ``load``, each annotated with its type and range.
"""

from sslens.datasets import cifar, digit_pairs, digits, first_classes, folder, languages, mnist, scattered_digits, stl10
from sslens.datasets.label_noise import symmetric_label_noise
from sslens.datasets.registry import Loader, Registry

__all__ = ["LOADERS", "Loader", "Registry", "check_name", "folder", "load", "loader_module", "symmetric_label_noise"]

LOADERS = Registry(
    {
        "scattered_digits": scattered_digits.load,
        "digits": digits.load,
        "digit_pairs": digit_pairs.load,
        "mnist": mnist.mnist,
        "fashion_mnist": mnist.fashion_mnist,
        "cifar10": cifar.cifar10,
        "cifar100": cifar.cifar100,
        "stl10": stl10.load,
        "languages": languages.load,
        "folder:PATH": folder.load,
        "folder+skip:PATH": folder.load_undamaged,
    }
)
"""Name of each set and what loads it; the text after ``folder:`` is the path of a tree of images, and
``folder+skip:`` leaves out those of them that are damaged."""

LOADERS["first_classes"] = first_classes.among(LOADERS)

load, check_name, loader_module = LOADERS.load, LOADERS.check_name, LOADERS.loader_module
