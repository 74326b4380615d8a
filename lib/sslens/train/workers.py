"""Runs beside each other: worker processes that train into the cache, and end with the process that started them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Any, final

from sslens.progress import HEARTBEAT

LIBRARY = Path(__file__).parents[2]
DONE = ""
"""What a worker says when a run is in the cache; otherwise it says what went wrong."""


def trained_by_workers(configs: Sequence[dict[str, Any]], count: int) -> Iterator[int]:
    """Train runs, given as JSON, in ``count`` processes, and name the place of each when it is there.

    Fresh interpreters, not forks, which would copy torch's threads in whatever state they are, and not
    multiprocessing's, which would run the caller's script again. They read their work from a pipe: when this process
    ends, however it ends, so do they.

    Raises:
        RuntimeError: a worker that failed or died, with the run it was at; the others are stopped.
    """
    idle: SimpleQueue[_Worker] = SimpleQueue()
    workers = [_Worker() for _ in range(count)]
    for worker in workers:
        idle.put(worker)

    def train(config: dict[str, Any]) -> None:
        worker = idle.get()
        try:
            worker.train(config)
        finally:
            idle.put(worker)  # a dead one as well: a thread that waited for it would wait for ever

    pool = ThreadPoolExecutor(count)
    try:
        going = {pool.submit(train, config): place for place, config in enumerate(configs)}
        for done in as_completed(going):
            done.result()
            yield going[done]
    finally:
        for worker in workers:
            worker.stop()
        pool.shutdown(wait=True, cancel_futures=True)


@final
class _Worker:
    """One process, one run at a time."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(LIBRARY), *filter(None, [os.environ.get("PYTHONPATH")])])
        ours = {"PYTHONPATH": path, "SSLENS_LIVE": "0"}  # the parent shows the progress of all
        environment = {name: value for name, value in os.environ.items() if name != HEARTBEAT} | ours
        command = [sys.executable, "-m", "sslens.train.worker"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        # A session of its own: Ctrl-C is for the parent, which stops its workers without a traceback from each.
        self.process = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)

    def train(self, config: dict[str, Any]) -> None:
        source, sink = self.process.stdin, self.process.stdout
        assert source is not None and sink is not None
        try:
            source.write(json.dumps(config).encode() + b"\n")
            source.flush()
            answer = sink.readline()
        except OSError:
            answer = b""
        said = json.loads(answer) if answer.endswith(b"\n") else "it died (killed, or out of memory?)"
        if said != DONE:
            raise RuntimeError(f"a training process failed: {said} It was at {json.dumps(config)}")

    def stop(self) -> None:
        self.process.kill()  # what is on disk is whole: every file is renamed into place
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
