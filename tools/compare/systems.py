"""The systems and papers of the field, and which row of the report has their way of training; or why none has."""

from __future__ import annotations

from typing import NamedTuple


class System(NamedTuple):
    """`rows`: names of baselines, the nearest first; none where `why` says why not."""

    name: str
    rows: tuple[str, ...]
    why: str = ""


SYSTEMS = (
    System("gensim; word2vec.c; the tutorials of McCormick and Kriesel", ("gensim", "one"), "on one machine"),
    System("fastText without subwords, pSGNScc", ("gensim",), "the same mathematics on one machine, other speeds"),
    System("Spark MLlib's Word2Vec", ("spark",), "the program itself"),
    System("pWord2Vec (Ji 2016), BlazingText's batch_skipgram", ("prefix",)),
    System("GraphAny2Vec, GraphWord2Vec (Gill 2021)", ("adasum",), "each node gets the rows that it needs next"),
    System("gossip learning of word2vec (Alkathiri 2021), GoSGD, Jin 2016", ("gossip-average",)),
    System("decentralised actors (Addair), consensus and diffusion (Scardapane)", ("gossip-average",),
           "their peers are fixed, here they are random, which mixes faster"),
    System("DMTK: Multiverso's WordEmbedding", ("server-async-divided",), "changes over the number of nodes"),
    System("DistBelief's Downpour, Elephas asynchronous, DL4J's server, Akka", ("server-async",),
           "with a bound on staleness, without which it is worse"),
    System("dist-keras: ADAG and DynSGD; AEASGD", ("server-async-divided", "elastic"),
           "no momentum (EAMSGD): word2vec has none"),
    System("TensorFlow's synchronous servers; with backup workers", ("server-sync", "server-backup")),
    System("MXNet's kvstore with 2 bits", ("two-bit",)),
    System("Horovod, Theano-MPI's BSP, CaffeOnSpark, BigDL", ("averaging-ring",),
           "an allreduce every tau words; at every minibatch it would move a model each some hundred words"),
    System("Horovod's AdaSum", ("adasum",), "of touched rows; of whole layers it would move all rows"),
    System("SparkNet, DL4J on Spark, Elephas synchronous, federated averaging (Flower), hivemind", ("averaging-star",)),
    System("Theano-MPI's EASGD", ("elastic",)),
    System("Ordentlich 2016, Glint", ("columns",), "bytes by formula, quality as of one machine"),
    System("Stergiou 2017", ("owned",), "bytes by formula, quality as of one machine"),
    System("Anand 2018", ("alir", "procrustes", "pca")),
    System("Databricks, Elephas: a search for settings by a cluster", ("alone",), "nodes train apart"),
    System("MIL Tokyo (Sukiyaki)", ("server-async",), "browsers that ask a server; the rule is Downpour's"),
    System("PBG, GraphVite, DGL", (), "they train edges between partitions of the nodes under a lock: no text"),
    System("multisense embedding, LightLDA", (), "another model: several vectors a word, topics"),
    System("COTS HPC, RNN on Spark, Tunnel", (), "nets whose layers are cut over GPUs, or trained by averaging"),
    System("Keuper and Pfreundt, Ben-Nun and Hoefler", (), "surveys: nothing is trained"),
)  # fmt: skip
