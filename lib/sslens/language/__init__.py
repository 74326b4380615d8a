"""A small language model and the five languages it learns: generated text, a gated transformer, its training."""

from sslens.language.text import LANGUAGES, LENGTH, VOCABULARY, Text, bag_of_characters, corpus, decode, encode
from sslens.language.training import SCALE, Look, fit_language, restore_language, train_language
from sslens.language.transformer import Reading, Transformer, readings

__all__ = [
    "LANGUAGES",
    "LENGTH",
    "SCALE",
    "VOCABULARY",
    "Look",
    "Reading",
    "Text",
    "Transformer",
    "bag_of_characters",
    "corpus",
    "decode",
    "encode",
    "fit_language",
    "readings",
    "restore_language",
    "train_language",
]
