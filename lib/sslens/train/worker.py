"""A training process: configs come in as lines of JSON, a word goes out for each run that stands in the cache."""

import json
import os
import sys
from queue import SimpleQueue
from threading import Thread

from sslens.train.cache import record
from sslens.train.config import Config
from sslens.train.workers import END


def serve() -> None:
    """Train what comes in until nothing can come any more: then the parent is gone, and so is this process, at once."""
    work: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_receive, args=(work,), daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed here is no answer
    while True:
        record(Config.of_json(json.loads(work.get())))
        answers.write(END + b"\n")
        answers.flush()


def _receive(work: "SimpleQueue[bytes]") -> None:
    for line in sys.stdin.buffer:
        work.put(line)
    os._exit(0)


if __name__ == "__main__":
    serve()
