"""What a node is given besides text, read and judged before anything else; and which files are no text of it."""

from __future__ import annotations

from pathlib import Path

from gossipw2v.config.node import Config
from gossipw2v.node.storage import generations
from gossipw2v.node.storage.checkpoint import CheckpointError
from gossipw2v.node.storage.export import map_model
from gossipw2v.system.lock import LOCK_FILE
from gossipw2v.system.logs import get_logger
from gossipw2v.w2v.given.given import Given
from gossipw2v.w2v.given.warm_start import FLAG, WarmStart, WarmStartError, warm_start
from gossipw2v.w2v.given.word_list import WordList, read_word_list
from gossipw2v.w2v.graphs import csr
from gossipw2v.w2v.growth.ledger import NAME as WAITING_FILE
from gossipw2v.w2v.text.rounds.record import NAME as TEXT_FILE
from gossipw2v.w2v.text.rounds.rounds import NEW
from gossipw2v.w2v.text.shards import SUFFIX
from gossipw2v.w2v.text.sources.spool import SUFFIX as SPOOL_SUFFIX
from gossipw2v.w2v.vectors.files import read_vectors
from gossipw2v.w2v.vectors.formats import MissingLibraryError
from gossipw2v.w2v.vectors.table import VectorFileError

NODE_FILE = "node.json"
# in the data directory
STATE_FILES = (
    LOCK_FILE,
    NODE_FILE,
    TEXT_FILE,
    generations.PATTERN,
    f"*{SUFFIX}",
    f"{NEW}/*{SUFFIX}",
    WAITING_FILE,
    f"*{csr.SUFFIX}",
    f"*{SPOOL_SUFFIX}",
)

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


def own_files(config: Config) -> list[Path]:
    """Files of the node that may lie among its text, and are none of it: its state, and what must not become words."""
    named = (config.secret_file, config.other_secret_file, config.http_token_file, config.vocab, config.init)
    lists = (Path(peer.removeprefix("file:")) for peer in config.peers if peer.startswith("file:"))
    state = (path for pattern in STATE_FILES for path in config.data_dir.glob(pattern))
    return [*state, *lists, *map(Path, config.probe), *filter(None, named)]
