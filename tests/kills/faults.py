"""A process that dies at the k-th thing it does to the file system, forked from one that has imported everything."""

import os
import signal
import time

STEPS = ("open", "write", "fsync", "replace", "rename", "mkdir", "unlink", "remove", "rmdir", "symlink")
"""Functions of the module os through which files and folders are made, filled, named and removed."""


def dying(count, before):
    """Make this process die at its ``count``-th step from here on: before it, or after it, half-way where it writes."""
    left = [count]

    def die_in(name, real):
        def step(*given, **named):
            left[0] -= 1
            if left[0] == 0:
                if not before and name == "write":
                    real(given[0], bytes(given[1])[: len(given[1]) // 2])
                elif not before:
                    real(*given, **named)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named)

        return step

    for name in STEPS:
        setattr(os, name, die_in(name, getattr(os, name)))


def forked(work, count=0, *, before=True):
    """Do the work in a process of its own that dies at a step; whether it lived to the end."""
    child = os.fork()
    if child == 0:
        try:
            if count:
                dying(count, before)
            work()
            os._exit(0)
        except BaseException:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "the work itself failed"
    return os.WIFEXITED(status)


def killed_after(seconds, work):
    """Let a process of its own work until it is killed from outside."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(3)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the work itself failed"
