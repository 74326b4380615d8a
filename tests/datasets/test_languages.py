"""The five languages, read by parsers that know their grammar and not how they were written."""

import re
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sslens.datasets.languages import (
    LANGUAGES,
    LENGTH,
    ODD,
    SENTENCE,
    VOCABULARY,
    WORDS,
    bag_of_characters,
    corpus,
    decode,
    encode,
    load,
)
from sslens.types import InputError, UnknownName

MANY = 60
GOLDEN = ["52c353591bbeaf7dc09dfd374b075ea1", "5cb7609cd226d4075778d08af53e0499"]


def texts_in(language, seed=0):
    written = corpus(seed, MANY)
    return decode(written.images[written.labels == LANGUAGES.index(language)])


def sentences(language):
    """What stands between spaces; the last one of a text may have broken off and is left out."""
    return [word for text in texts_in(language) for word in text.split(" ")[:-1]]


def balanced(word):
    while (shorter := word.replace("()", "").replace("[]", "").replace("{}", "")) != word:
        word = shorter
    return not word


def test_a_seed_and_a_part_decide_every_character():
    first = corpus(3, 5)
    assert torch.equal(first.images, corpus(3, 5).images)
    assert not torch.equal(first.images, corpus(4, 5).images)
    assert not torch.equal(first.images, corpus(3, 5, part="test").images)


def test_a_longer_corpus_begins_with_the_shorter_one():
    assert torch.equal(corpus(0, 5).images[:10], corpus(0, 2).images)


def test_the_languages_take_turns_and_have_equally_many_texts_of_one_length():
    written = corpus(0, 7)
    assert written.images.shape == (35, LENGTH)
    assert written.labels.tolist() == [0, 1, 2, 3, 4] * 7


def test_no_text_of_the_test_part_was_trained_on():
    assert not set(decode(corpus(0, MANY).images)) & set(decode(corpus(0, MANY, part="test").images))


def test_arithmetic_is_correct():
    signs = Counter()
    for sentence in sentences("arithmetic"):
        parts = re.fullmatch(r"(\d{1,2})([-+*])(\d{1,2})=(-?\d+)", sentence)
        assert parts
        first, sign, second, result = parts.groups()
        signs[sign] += 1
        a, b = int(first), int(second)
        assert int(result) == (a + b if sign == "+" else a - b if sign == "-" else a * b)
    assert set(signs) == set("+-*") and min(signs.values()) > 100


def test_brackets_are_balanced_and_a_broken_word_can_still_be_closed():
    words = sentences("brackets")
    assert all(balanced(word) and 4 <= len(word) <= 16 for word in words)
    assert {len(word) for word in words} == set(range(4, 17, 2))
    assert max(map(len, re.findall(r"[(\[{]+", " ".join(words)))) >= 4  # they nest
    for text in texts_in("brackets"):
        waiting = []
        for character in text.split(" ")[-1]:
            if character in "([{":
                waiting.append(character)
            else:
                assert waiting.pop() + character in ("()", "[]", "{}")


def test_words_follow_the_grammar():
    for text in texts_in("words"):
        for place, word in enumerate(text.split(" ")[:-1]):
            assert word in WORDS[SENTENCE[place % len(SENTENCE)]]


def test_a_quarter_of_the_odd_words_is_spelled_backwards_and_the_rest_follows_the_grammar():
    odd = total = 0
    for text in texts_in("odd words"):
        for place, word in enumerate(text.split(" ")[:-1]):
            legal = WORDS[SENTENCE[place % len(SENTENCE)]]
            assert word in legal or word[::-1] in legal
            odd, total = odd + (word not in legal), total + 1
    assert abs(odd / total - ODD) < 4 * (ODD * (1 - ODD) / total) ** 0.5


def test_no_word_is_another_one_backwards_so_that_odd_words_can_be_recognised():
    words = {word for kind in WORDS.values() for word in kind}
    assert len(words) == sum(map(len, WORDS.values()))
    assert not words & {word[::-1] for word in words}


def test_hexadecimal_groups_use_the_sixteen_digits_equally():
    words = sentences("hexadecimal")
    assert all(re.fullmatch("[0-9a-f]{4}", word) for word in words)
    counts, expected = Counter("".join(words)), 4 * len(words) / 16
    assert sum((counts[digit] - expected) ** 2 / expected for digit in "0123456789abcdef") < 37.7  # chi², 15, p = 0.001


def test_every_character_of_the_vocabulary_is_written_but_letters_that_no_word_has():
    missing = set(VOCABULARY) - set("".join(decode(corpus(0, MANY).images)))
    assert missing == set(VOCABULARY) - set("0123456789abcdef+-*=()[]{} ") - set("".join(sum(WORDS.values(), ())))


@given(st.lists(st.text(VOCABULARY, min_size=5, max_size=5), min_size=1))
def test_decoding_undoes_encoding(texts):
    assert decode(encode(texts)) == texts


@given(st.text(VOCABULARY, min_size=1), st.randoms())
def test_a_bag_counts_characters_and_knows_no_order(text, random):
    bag = bag_of_characters(encode([text]))
    assert bag[0].tolist() == [Counter(text)[character] for character in VOCABULARY]
    assert torch.equal(bag, bag_of_characters(encode(["".join(random.sample(text, len(text)))])))


@pytest.mark.parametrize("texts", [[], [""], ["ab", "abc"], ["aB"], ["a\n"], ["é"]])
def test_texts_that_cannot_be_spelled_are_refused(texts):
    with pytest.raises(InputError, match="texts"):
        encode(texts)


WRONG = [
    torch.tensor([[0, -1]]),
    torch.tensor([[0, len(VOCABULARY)]]),
    torch.zeros(2, 0, dtype=torch.int64),
    torch.zeros(0, 2, dtype=torch.int64),
    torch.zeros(2, dtype=torch.int64),
    torch.zeros(2, 2),
    "text",
]


@pytest.mark.parametrize("ids", WRONG, ids=str)
def test_ids_that_are_no_texts_are_refused(ids, unchecked):
    for function in (decode, bag_of_characters):
        with pytest.raises(InputError, match="ids"):
            function(ids)


def test_bad_arguments_of_a_corpus_are_refused():
    for seed, per_language, name in ((-1, 1, "seed"), (0, 0, "per_language"), (0, 10**7, "per_language")):
        with pytest.raises(InputError, match=name):
            corpus(seed, per_language)
    with pytest.raises(UnknownName, match="Did you mean 'train'"):
        corpus(0, 1, part="trian")


def test_the_sides_are_the_two_parts_of_the_corpus():
    train, test = load(seed=3, per_language=4, test_per_language=2)
    assert train.digest() == corpus(3, 4).digest()
    assert test.digest() == corpus(3, 2, part="test").digest()
    assert train.classes == test.classes == LANGUAGES
    assert [len(side) for side in load()] == [3000, 1000]


def test_every_machine_writes_the_same_texts():
    train, test = load()
    assert [side.digest() for side in (train, test)] == GOLDEN
