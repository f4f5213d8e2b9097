"""What a node is given besides text, read and judged before anything else is done."""

from __future__ import annotations

from pathlib import Path

from gossipw2v.config.node import Config
from gossipw2v.node.storage.checkpoint import CheckpointError
from gossipw2v.node.storage.export import map_model
from gossipw2v.system.logs import get_logger
from gossipw2v.w2v.given.given import Given
from gossipw2v.w2v.given.warm_start import FLAG, WarmStart, WarmStartError, warm_start
from gossipw2v.w2v.given.word_list import WordList, read_word_list
from gossipw2v.w2v.vectors.files import read_vectors
from gossipw2v.w2v.vectors.formats import MissingLibraryError
from gossipw2v.w2v.vectors.table import VectorFileError

log = get_logger("given")


def read_given(config: Config) -> Given:
    """Read what the settings name. VocabError, WarmStartError name the file, what is wrong and what to do."""
    words = None if config.vocab is None else _words(config.vocab)
    return Given(words, None if config.init is None else _start(config.init, config))


def _words(path: Path) -> WordList:
    words = read_word_list(path)
    counted = words.counts is not None
    log.info("only words of a list", path=words.name, words=len(words.words), counts=counted, digest=words.digest.hex())
    return words


def _start(path: Path, config: Config) -> WarmStart:
    if path.is_dir() and config.data_dir.is_dir() and path.samefile(config.data_dir):
        raise WarmStartError(f"{path}: is this node's own --data-dir, from which it goes on anyway; leave {FLAG} out")
    try:
        matrices = map_model(path) if path.is_dir() else (read_vectors(path),)
    except OSError as error:
        told = f"{path}: {error.strerror or error}; {FLAG} takes a file of vectors, or a data directory"
        raise WarmStartError(told) from error
    except (CheckpointError, VectorFileError, MissingLibraryError) as error:
        raise WarmStartError(f"{FLAG}: {error}") from error
    start = warm_start(matrices, str(path), config.job.vector_size)
    sizes = {"words": len(start.words), "matrices": len(matrices)}
    log.info("starts from vectors", path=start.name, **sizes, digest=start.digest.hex())
    return start
