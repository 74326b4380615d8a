"""A training process: configs come in as lines of JSON, a line goes out for each: nothing, or what went wrong."""

import json
import os
import sys
from queue import SimpleQueue
from threading import Thread
from typing import Any

from sslens.train.cache import record
from sslens.train.config import Config
from sslens.train.workers import DONE


def serve() -> None:
    """Train what comes in until nothing can come any more: then the parent is gone, and so is this process, at once."""
    work: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_receive, args=(work,), daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed here is no answer
    while True:
        answers.write(json.dumps(_trained(json.loads(work.get()))).encode() + b"\n")
        answers.flush()


def _trained(config: dict[str, Any]) -> str:
    try:
        record(Config.of_json(config))
    except Exception as error:  # the parent raises it, where people read it
        return f"{type(error).__name__}: {error}"
    return DONE


def _receive(work: "SimpleQueue[bytes]") -> None:
    for line in sys.stdin.buffer:
        work.put(line)
    os._exit(0)


if __name__ == "__main__":
    serve()
