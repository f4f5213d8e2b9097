"""Every bound of every option, alone and in pairs, with texts of one, two and ten words: it trains or is refused."""

import itertools
import random
import time
from pathlib import Path

import numpy as np
import pytest

from gossipw2v.config.fields import Between
from gossipw2v.config.loader import ConfigError, load
from gossipw2v.config.options import OPTIONS, Option
from gossipw2v.node.daemon import UNUSABLE
from gossipw2v.node.session import check_room, make_session
from gossipw2v.w2v.text.blocks import TextReader
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.heldout import Division
from gossipw2v.w2v.text.vocab import Vocab, count_words, freeze, merge_counts

TEXTS = {"one": "a a a\n", "two": "a b a b a\n", "ten": "a b c d e f g h i j\n" * 30}
USUAL = {"peers": "none", "listen": "127.0.0.1:0", "min_count": "1", "threads": "1", "epochs": "2", "vector_size": "8"}
CHEAPER = {"epochs": "50", "threads": "64"}  # than the upper bound, which takes as long as it says
PAIRS = 250
Setting = tuple[str, str]


def bounds(option: Option) -> list[Setting]:
    """The lowest and the highest value that an option takes, as they are typed."""
    assert isinstance(option.check, Between)
    low, high = option.check.low, option.check.high
    if option.check.below:
        high = float(np.nextafter(high, low))
    highest = CHEAPER.get(option.name, repr(option.kind(high)))
    return [(option.name, repr(option.kind(low))), (option.name, highest)]


NUMBERS = [bounds(option) for option in OPTIONS.values() if isinstance(option.check, Between)]
ALONE = [(setting,) for both in NUMBERS for setting in both]
TOGETHER = [pair for one, other in itertools.combinations(NUMBERS, 2) for pair in itertools.product(one, other)]
SOME = random.Random(7).sample(TOGETHER, PAIRS)


def outcome(folder: Path, text: str, settings: tuple[Setting, ...]) -> str:
    """What becomes of a node with these settings: trained, diverged or refused, which people are told in a sentence."""
    path = folder / text
    path.write_text(TEXTS[text])
    try:
        config = load({**USUAL, "data_dir": str(folder), "corpus": [str(path)], **dict(settings)}, None, {})
        corpus = Corpus(config.corpus, folder, 1, Division(config.held_out, config.job.seed))
        corpus.find()
        corpus.counts = count_words(corpus.files, TextReader(1))
        frozen = freeze(merge_counts([corpus.counts]), config.job.min_count, config.job.max_vocab)
        check_room(config, vocab := Vocab.from_bytes(frozen.to_bytes()))
    except (ConfigError, *UNUSABLE):
        return "refused"
    session = make_session(config, vocab, corpus._encode(vocab), lambda _work, _result: None)
    trainer = session.trainer
    trainer.start()
    while not trainer.done and trainer.threads.failure is None and trainer.breach is None:
        time.sleep(0.001)
    session.close()
    assert trainer.threads.failure is None, trainer.threads.failure
    return "trained" if trainer.breach is None else "diverged"


@pytest.mark.parametrize("text", TEXTS)
def test_each_bound_trains_or_is_refused(text: str, tmp_path: Path) -> None:
    found = {settings[0]: outcome(tmp_path, text, settings) for settings in ALONE}
    assert set(found.values()) <= {"trained", "refused"}
    if text != "one":
        assert {setting for setting, what in found.items() if what == "refused"} == REFUSED


REFUSED = {
    ("min_count", "1000000000"),  # no word is left
    ("min_peers", "10000"),  # with peers none
    ("alpha", "1e-06"),  # below min_alpha
    ("min_alpha", "1.0"),  # above alpha
}


@pytest.mark.parametrize("text", TEXTS)
def test_pairs_of_bounds_train_or_are_refused(text: str, tmp_path: Path) -> None:
    found = {settings: outcome(tmp_path, text, settings) for settings in SOME}
    assert list(found.values()).count("diverged") <= PAIRS // 50  # alpha 1 with the widest windows: told by the node


@pytest.mark.parametrize("sample", ["1", "1.0", "2"])
def test_a_share_of_all_tokens_is_less_than_all(sample: str) -> None:
    with pytest.raises(ConfigError, match="0 to below 1"):
        load({**USUAL, "corpus": ["text"], "sample": sample}, None, {"XDG_DATA_HOME": "/"})
