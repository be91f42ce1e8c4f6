"""What a training draws from: captions with the colours that photos told, and batches with hard negatives."""

import numpy as np

from esmm.align.corpus import Corpus
from esmm.align.pairs import Pairs
from esmm.align.settings import Settings
from esmm.encoders.digest import DigestEncoder

COUNT = 40


def corpus(*, hard: float = 0.0) -> Corpus:
    captions = [(f"men shoe {number % 20}", f"shoe {number % 20}") for number in range(COUNT)]
    pairs = Pairs(np.zeros((COUNT, 1, 1, 4), np.uint8), captions, [0] * 30 + [1] * 10)
    return Corpus(pairs, DigestEncoder(16), Settings(hard=hard, batch=8, validation=0.2))


def drawn(found: Corpus, pair: int) -> set[str]:
    rng = np.random.default_rng(0)
    return {found.texts[number] for number in found.redrawn([pair] * 50, rng)}


def test_told_colours_stand_before_what_is_drawn_and_not_in_validation() -> None:
    found = corpus()
    before = found.first_vectors([3, 4])
    found.complete({3: "navy blue"})
    assert drawn(found, 3) == {"navy blue men shoe 3", "navy blue shoe 3"}
    assert drawn(found, 4) == {"men shoe 4", "shoe 4"}
    assert found.shown(3) == "men shoe 3"
    np.testing.assert_array_equal(found.first_vectors([3, 4]), before)
    place = found.texts.index("navy blue shoe 3")
    np.testing.assert_array_equal(found.vectors[place], DigestEncoder(16).encode(["navy blue shoe 3"])[0])


def test_colours_told_anew_replace_those_before() -> None:
    found = corpus()
    found.complete({3: "red"})
    found.complete({4: "blue"})
    assert drawn(found, 3) == {"men shoe 3", "shoe 3"}
    assert not any("red" in text for text in found.texts)


def test_the_pairs_of_each_catalogue() -> None:
    assert [numbers.tolist() for numbers in corpus().catalogues] == [list(range(30)), list(range(30, 40))]


def test_a_batch_holds_a_neighbour_by_bm25_with_a_caption_of_its_own() -> None:
    found = corpus(hard=0.5)
    found.complete({pair: "red" for pair in range(COUNT)})
    batch = next(iter(found.batches(Settings(hard=0.5, batch=8, validation=0.2), np.random.default_rng(1))))
    assert len(batch.pairs) == 8
    for pair, caption in zip(batch.pairs, batch.captions, strict=True):
        assert found.texts[caption] in drawn(found, int(pair))
