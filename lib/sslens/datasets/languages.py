"""Languages: texts that the suite writes itself, in five small languages spelled in one alphabet.

Each language is recognised by something else: arithmetic and brackets by their signs, hexadecimal by its mixture, and
odd words among words by the order of letters alone. There a count of characters is blind, so that a network has
something to be better at.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from sslens.runtime import stream
from sslens.types import Dataset, InputError, OneOf, Range, checked, checked_ids

VOCABULARY = " 0123456789abcdefghijklmnopqrstuvwxyz+-*=()[]{}"
"""Every character there is; its position is its id."""
LENGTH = 64
"""Characters of a text."""
ODD = 0.25
"""Share of the words that odd words spell backwards."""
WORDS = {
    "determiner": ("the", "one", "some", "every"),
    "adjective": ("small", "quiet", "green", "clever", "lonely", "bright"),
    "noun": ("horse", "river", "window", "garden", "teacher", "planet", "button", "fox"),
    "verb": ("finds", "follows", "paints", "forgets", "carries", "wakes"),
}
"""No word is itself or another one when spelled backwards."""
SENTENCE = ("determiner", "adjective", "noun", "verb", "determiner", "noun")

Pick = Callable[[Sequence[Any]], Any]
"""Draws one of its options, all equally likely."""
Seed = Annotated[int, Range(0, 2**32 - 1)]
Count = Annotated[int, Range(1, 10**6)]


def load(*, seed: Seed = 0, per_language: Count = 600, test_per_language: Count = 200) -> tuple[Dataset, Dataset]:
    """3000 texts to train on and 1000 to test on: 600 and 200 of each of the five languages, as `corpus` writes them.

    Images are texts: ids ``(n, 64)`` of their characters; labels are positions in ``LANGUAGES``. The two sides have
    random streams of their own, so that the number of texts on one never changes the other.

    >>> train, test = load(per_language=2, test_per_language=1)
    >>> tuple(train.images.shape), test.labels.tolist(), test.classes[2]
    ((10, 64), [0, 1, 2, 3, 4], 'words')
    """
    return corpus(seed, per_language), corpus(seed, test_per_language, part="test")


def corpus(seed: int, per_language: int, *, part: str = "train") -> Dataset:
    """As many texts of each of the five languages, in turn; every language has a random stream of its own.

    - arithmetic: sums, differences and products of numbers below 100, all correct: ``12+7=19``
    - brackets: balanced words of two to eight pairs of three kinds: ``([]{})``
    - words: determiner, adjective, noun, verb, determiner, noun: ``the small fox finds every river``
    - hexadecimal: groups of four digits, each of the sixteen equally likely: ``3f0a``
    - odd words: words, a quarter of them spelled backwards: ``the llams fox finds every river``

    Every text begins with a sentence and breaks off after ``LENGTH`` characters.

    Raises:
        InputError: per_language below 1.
        UnknownName: a part other than train or test.

    >>> [text[:16] for text in decode(corpus(0, 1).images)][:3]
    ['0*18=0 30-78=-48', '{[([][][])]{}} {', 'some green fox p']
    """
    seed = checked("seed", seed, Seed)
    per_language = checked("per_language", per_language, Count)
    part = checked("part", part, Annotated[str, OneOf(("train", "test"))])
    texts = []
    for name, sentence in _SENTENCES.items():
        pick = _picker(stream(seed, f"text/{part}/{name}"))
        texts.append(encode([_text(sentence, pick) for _ in range(per_language)]))
    labels = torch.arange(len(texts), device="cpu").repeat(per_language)
    return Dataset(torch.stack(texts, 1).flatten(0, 1), labels, LANGUAGES)


def encode(texts: Sequence[str]) -> Int[Tensor, "n t"]:
    """Character ids of texts of equal length.

    Raises:
        InputError: no text, texts of different or no length, or a character outside ``VOCABULARY``.

    >>> encode(["1+1=2"])
    tensor([[ 2, 37,  2, 40,  3]])
    """
    lengths = {len(text) for text in texts}
    if len(lengths) != 1 or lengths == {0}:
        raise InputError("texts", sorted(lengths), "at least one text, all of the same length above 0")
    unknown = sorted(set("".join(texts)) - set(VOCABULARY))
    if unknown:
        raise InputError("texts", "".join(unknown), f"spelled in the characters {VOCABULARY!r}")
    return torch.tensor([list(map(VOCABULARY.index, text)) for text in texts], device="cpu")


def decode(ids: Int[Tensor, "n t"]) -> list[str]:
    """The texts of character ids.

    Raises:
        InputError: ids that are no positions in ``VOCABULARY``.

    >>> decode(encode(["every fox", "every day"]))
    ['every fox', 'every day']
    """
    return ["".join(map(VOCABULARY.__getitem__, row)) for row in checked_ids(ids, vocabulary=len(VOCABULARY)).tolist()]


def bag_of_characters(ids: Int[Tensor, "n t"], vocabulary: int = len(VOCABULARY)) -> Float[Tensor, "n vocabulary"]:
    """How often each character occurs in each text: the baseline that knows no order.

    Raises:
        InputError: no (n, t) matrix of whole numbers from 0 to vocabulary − 1.

    >>> bag_of_characters(torch.tensor([[0, 2, 2], [1, 0, 1]]), 3)
    tensor([[1., 0., 2.],
            [1., 2., 0.]], dtype=torch.float64)
    """
    vocabulary = checked("vocabulary", vocabulary, Annotated[int, Range(1, 10**6)])
    return one_hot(checked_ids(ids, vocabulary=vocabulary), vocabulary).sum(1).double()


def _picker(generator: torch.Generator) -> Pick:
    return lambda options: options[int(torch.randint(len(options), (), generator=generator, device=generator.device))]


def _text(sentence: Callable[[Pick], str], pick: Pick) -> str:
    text = ""
    while len(text) < LENGTH:
        text += sentence(pick) + " "
    return text[:LENGTH]


def _arithmetic(pick: Pick) -> str:
    first, sign, second = pick(range(100)), pick("+-*"), pick(range(100))
    result = {"+": first + second, "-": first - second, "*": first * second}[sign]
    return f"{first}{sign}{second}={result}"


def _brackets(pick: Pick) -> str:
    pairs, text, waiting = pick(range(2, 9)), "", ""
    while pairs or waiting:
        if pairs and (not waiting or pick((True, False))):
            opening, closing = pick(("()", "[]", "{}"))
            pairs, text, waiting = pairs - 1, text + opening, closing + waiting
        else:
            text, waiting = text + waiting[0], waiting[1:]
    return text


def _words(pick: Pick) -> str:
    return " ".join(pick(WORDS[kind]) for kind in SENTENCE)


def _hexadecimal(pick: Pick) -> str:
    return "".join(pick("0123456789abcdef") for _ in range(4))


def _odd_words(pick: Pick) -> str:
    backwards = (True, *[False] * round(1 / ODD - 1))
    return " ".join(word[::-1] if pick(backwards) else word for word in _words(pick).split())


_SENTENCES: dict[str, Callable[[Pick], str]] = {
    "arithmetic": _arithmetic,
    "brackets": _brackets,
    "words": _words,
    "hexadecimal": _hexadecimal,
    "odd words": _odd_words,
}
LANGUAGES = tuple(_SENTENCES)
"""Names of the languages, by label."""
