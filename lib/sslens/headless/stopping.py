"""A process that is asked to end unwinds first, so that kernels stop and what was begun is cleared away."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, Ctrl-C, SIGTERM and a closed terminal are a KeyboardInterrupt; a second one does not wait for its end.

    What was ignored before, as SIGHUP is under nohup, stays so.

    >>> try:
    ...     with stoppable():
    ...         signal.raise_signal(signal.SIGTERM)
    ... except KeyboardInterrupt as stopped:
    ...     stopped.args[0] == signal.SIGTERM
    True
    """
    before = {}

    def stop(number: int, _: object) -> None:
        for each in before:
            signal.signal(each, lambda again, _: os._exit(128 + again))
        raise KeyboardInterrupt(number)

    here = threading.current_thread() is threading.main_thread()  # only there signals can be met
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if here else ():
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
