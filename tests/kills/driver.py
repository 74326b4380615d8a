"""Kill a store at every step of keeping a result, or at random; print what went wrong, as JSON.

``python -m tests.kills.driver STORE FOLDER every|random COUNT SEED``
"""

import json
import os
import random
import sys
import time
import warnings
from pathlib import Path

from tests.kills.faults import forked, killed_after
from tests.kills.stores import STORES

warnings.simplefilter("ignore")
FINISHED, NEW = 1, 2


def violations(store, why):
    """What is wrong after a kill: a finished result that is lost, or half of one that is taken for a result."""
    if not store.is_whole(FINISHED):
        yield f"{why}: a finished result is lost"
    if is_torn(store, NEW):
        yield f"{why}: half a result is taken for one"


def is_torn(store, number):
    """Whether something is taken for a result that is not what was to be kept, or for a part of it that is not."""
    found = store.read(number)
    if found is None:
        return False
    return not (store.is_right(number, found) if hasattr(store, "is_right") else store.is_whole(number))


def at_every_step(make, root):
    """One kill before and one in each step, until the work has no step left; then the work is done again."""
    wrong, kills, store = [], 0, make(root)
    store.keep(FINISHED)
    settled = set(root.rglob("*"))
    for before in (True, False):
        for count in range(1, 1000):
            if forked(lambda: store.keep(NEW), count, before=before):
                break
            kills += 1
            why = f"killed {'before' if before else 'in'} step {count}"
            wrong += violations(store, why)
            store.keep(NEW)
            wrong += [] if store.is_whole(NEW) else [f"{why}: the next call does not end"]
            forget(root, settled)
        forget(root, settled)
    return wrong, kills


def forget(root, settled):
    """Take away what was made since."""
    for path in sorted(set(root.rglob("*")) - settled, reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def at_random(make, root, *, kills, seed):
    """Kills from outside at random moments of a process that keeps one result after another and says which it has."""
    begun = time.monotonic()
    make(fresh(root / "measured")).keep(0)
    span = 2 * (time.monotonic() - begun)  # so that about every second kill comes after a result is finished
    chance, wrong, store = random.Random(seed), [], make(fresh(root))
    said, rounds = root / "finished", 0
    said.touch()

    def work():
        for number in range(10**6):
            store.keep(number % COUNT)
            with said.open("a") as file:
                file.write(f"{number % COUNT}\n")

    for kill in range(kills):
        killed_after(chance.uniform(0.0, span), work)
        finished = {int(line) for line in said.read_text().split()}
        wrong += [f"kill {kill}: finished result {number} is lost" for number in finished if not store.is_whole(number)]
        torn = [number for number in set(range(COUNT)) - finished if is_torn(store, number)]
        wrong += [f"kill {kill}: half of result {number} is taken for it" for number in torn]
        if len(finished) == COUNT:
            rounds += 1
            store = make(fresh(root / f"after-{kill}"))
            said.write_text("")
    return wrong, kills if rounds else 0


def fresh(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


COUNT = 3
"""Results of the cache; the others have as many, begun again in a new folder when all are there."""


def main(name, folder, how, kills, seed):
    start, root, make = time.monotonic(), Path(folder), STORES[name]
    random_kills = {"kills": int(kills), "seed": int(seed)}
    wrong, done = at_every_step(make, root) if how == "every" else at_random(make, root, **random_kills)
    os.write(1, json.dumps({"wrong": wrong, "kills": done, "seconds": time.monotonic() - start}).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
