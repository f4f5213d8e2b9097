"""What `spark` starts: trains MLlib's Word2Vec on the lines of a file, and leaves vectors and what it took.

    python spark_job.py FOLDER

FOLDER has `text` and `settings.json` (vector_size, window, alpha, epochs, seed, partitions); it gets `vectors.npy`,
float32[V, D], `words.json` and `took.json`, seconds and CPU seconds of the training, with Spark's start left out.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

LONGEST_LINE = 1000  # words, as the text is cut
MEMORY = "2g"  # of the JVM


def cpu_seconds(process: int) -> float:
    """Of another process so far, all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(folder: Path) -> None:
    """Train. Exceptions are Spark's."""
    from pyspark.ml.feature import Word2Vec  # noqa: PLC0415 - an extra
    from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra

    wanted = json.loads((folder / "settings.json").read_text("utf-8"))
    settings = {
        "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": MEMORY, "spark.driver.maxResultSize": "0", "spark.local.dir": str(folder),
        "spark.rpc.message.maxSize": "1024",
    }  # fmt: skip
    builder = SparkSession.builder.master(f"local[{wanted['partitions']}]")
    session = builder.config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    java = session.sparkContext._gateway.proc.pid
    lines = session.read.text(str(folder / "text")).selectExpr("split(value, ' ') as words").cache()
    lines.count()
    began, before = time.monotonic(), cpu_seconds(java)
    model = Word2Vec(
        inputCol="words", outputCol="vector", vectorSize=wanted["vector_size"], windowSize=wanted["window"], minCount=1,
        stepSize=wanted["alpha"], maxIter=wanted["epochs"], seed=wanted["seed"], numPartitions=wanted["partitions"],
        maxSentenceLength=LONGEST_LINE,
    ).fit(lines)  # fmt: skip
    took = {"seconds": time.monotonic() - began, "cpu": cpu_seconds(java) - before}
    rows = model.getVectors().collect()
    np.save(folder / "vectors.npy", np.array([row.vector.toArray() for row in rows], np.float32))
    (folder / "words.json").write_text(json.dumps([row.word for row in rows]), encoding="utf-8")
    (folder / "took.json").write_text(json.dumps(took))
    session.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
