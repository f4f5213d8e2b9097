"""The stages of a job: what can be said of them without a swarm. `test_daemon` lives through them."""

from gossipw2v.config.node import Config
from gossipw2v.node.node import Node
from gossipw2v.node.session import ENOUGH
from gossipw2v.node.stages.progress import SLOWEST, pause


def test_a_short_run_exchanges_as_often_as_it_may():
    assert pause(run_seconds=3, shortest=0.03) == 0.03


def test_a_longer_run_has_the_exchanges_it_needs():
    assert pause(run_seconds=30, shortest=0.03) == 30 / ENOUGH


def test_replicas_never_drift_for_long_unless_someone_asked_for_it():
    assert pause(run_seconds=1e6, shortest=0.03) == SLOWEST
    assert pause(run_seconds=1e6, shortest=60) == 60


def test_the_core_is_told_what_is_configured_of_its_exchanges(tmp_path):
    config = Config(corpus=("text",), data_dir=tmp_path, exchange_interval=7.0, max_bandwidth=3.0, children=5)
    made = Node(config, bytes(32), 0.0)
    made.begin()
    tree = made.core.tree
    assert (tree.exchanges.interval, tree.search.max_bandwidth, tree.seats.most) == (7.0, 3.0, 5)
