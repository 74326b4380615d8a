"""The commands ``sslens cache``: recorded runs in one file, for a class that is not to train them again."""

from collections import Counter
from pathlib import Path

import click

from sslens.headless.shown import harmless, short
from sslens.headless.stopping import stoppable


@click.group()
def cache() -> None:
    """Share recorded runs: train once, export them into one file, import it on other machines."""


@cache.command("export")
@click.argument("file")
@click.argument("notebooks", nargs=-1)
@click.option("-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="A parameter of the notebooks.")
@click.option("--profile", default="lesson", show_default=True, metavar="smoke|lesson|full", help="Whose runs.")
def export_runs(
    file: str, notebooks: tuple[str, ...], *, parameters: tuple[tuple[str, str], ...], profile: str
) -> None:
    """Pack into FILE the runs that NOTEBOOKS use, or without any all that this code would read.

    Only runs that are in the cache: sslens run NOTEBOOK puts them there.
    """
    from sslens.headless.notebook import notebook_path
    from sslens.headless.share import configs_of
    from sslens.train.archive import finished, pack

    with stoppable():
        wanted = [
            each for path in notebooks for each in configs_of(notebook_path(path), dict(parameters), profile=profile)
        ]
        configs = list(dict.fromkeys(wanted if notebooks else finished()))
        packed = pack(configs, Path(file))
    click.echo(f"{short(Path(file))}: {_count(len(packed))}, {Path(file).stat().st_size / 1e6:,.0f} MB")
    if missing := len(configs) - len(packed):
        click.echo(f"{_count(missing)} not packed: not trained here yet, sslens run NOTEBOOK trains them")


@cache.command("import")
@click.argument("file")
def import_runs(file: str) -> None:
    """Verify the runs in FILE and put into the cache those that this code would read."""
    from sslens.train.archive import unpack

    with stoppable():
        taken = unpack(Path(file))
    counts = Counter(each.state for each in taken)
    words = {"new": "new", "there already": "there already", "in use": "left alone: another process has them"}
    for state, said in words.items():
        if counts[state]:
            click.echo(f"{_count(counts[state])} {said}")
    for why, count in Counter(each.why for each in taken if each.state == "of no use").items():
        click.echo(f"{_count(count)} left out, which nothing here would read: {harmless(why)}")
    if counts["of no use"] == len(taken):
        click.echo("nothing of it will be used on this machine")


def _count(number: int) -> str:
    return f"{number} run{'s' * (number != 1)}"
