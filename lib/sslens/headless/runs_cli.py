"""The commands ``sslens runs``: what was run, in what two runs differ, and what may go."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from sslens.headless.shown import harmless, short


@click.group(invoke_without_command=True)
@click.pass_context
def runs(ctx: click.Context) -> None:
    """List the runs that are kept, show one, hold two against each other, clear up."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_runs)


@runs.command("list")
@click.argument("directory", required=False, metavar="[DIR]")
def list_runs(directory: str | None = None) -> None:
    """All runs in DIR, the newest first."""
    from sslens.headless.runs import listed, runs_folder

    folder = runs_folder(Path(directory) if directory else None)
    found = listed(folder)
    if not found:
        click.echo(f"no runs in {short(folder)}: sslens run NOTEBOOK makes one")
        return
    rows = [_row(each) for each in found]
    if sys.stdout.isatty():
        _table(("run", "started", "state", "took", "verdicts"), rows)
    else:
        click.echo("\n".join("\t".join(row) for row in rows))


def _row(each: Any) -> tuple[str, ...]:
    from sslens.headless.table import counts

    run, name = each.run, harmless(each.folder.name)
    if run is None:
        return (name, "", "unreadable", "", harmless(each.trouble))
    started = run.started.replace("T", " ").removesuffix("+00:00")
    return (
        name,
        harmless(started),
        run.status,
        f"{run.seconds:.0f} s",
        counts(run.verdicts) if run.verdicts else harmless(run.reason),
    )


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*heads)
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


@runs.command()
@click.argument("run")
def show(run: str) -> None:
    """Everything that is kept of RUN: a path, a name, the beginning of its name or key, or latest."""
    from sslens.headless.runs import found_run, outcome, runs_folder
    from sslens.store import CHECKSUM, MANIFEST, read_sealed

    found = found_run(run, runs_folder())
    facts = {
        "run": found.folder.name, "folder": short(found.folder), "notebook": found.notebook,
        "state": f"{found.status}, started {found.started}, took {found.seconds:.0f} s",
        "reason": found.reason, "key": found.identity.get("key"), "commit": _commit(found.commit),
    }  # fmt: skip
    _say("", facts)
    _say("parameters", found.parameters)
    _say("data", found.identity.get("data", {}))
    _say("versions", found.versions | found.numerics)
    _say("verdicts", {str(verdict.get("quantity")): outcome(verdict) for verdict in found.verdicts})
    sizes = {path.name: f"{path.stat().st_size:,} bytes" for path in sorted(found.folder.iterdir()) if path.is_file()}
    written = {MANIFEST, *read_sealed(found.folder, files=False).get(CHECKSUM, {})}
    _say("files, all as they were written", {name: size for name, size in sizes.items() if name in written})
    _say("files that others put there", {name: size for name, size in sizes.items() if name not in written})


def _commit(commit: Any) -> str:
    return f"{commit['hash']}{', with changes on top' if commit['changed'] else ''}" if commit else ""


def _say(title: str, facts: dict[str, Any]) -> None:
    """Lines of a name and a value; nothing for what is empty."""
    known = {harmless(name): harmless(value) for name, value in facts.items() if value not in ("", None)}
    if known and title:
        click.echo(title)
    width = max(map(len, known), default=0)
    for name, value in known.items():
        click.echo(f"{'  ' if title else ''}{name:{width}}  {value}")


@runs.command()
@click.argument("first")
@click.argument("second")
def diff(first: str, second: str) -> None:
    """In what two runs differ: notebook, parameters, data, versions, commit, verdicts."""
    from sslens.headless.runs import differences, found_run, runs_folder

    one, other = (found_run(name, runs_folder()) for name in (first, second))
    found = differences(one, other)
    for subject, rows in found.items():
        click.echo(subject)
        for name, before, after in rows:
            click.echo(f"  {harmless(name)}: {_value(before)} -> {_value(after)}")
    if not found:
        click.echo("the same in notebook, parameters, data, versions, commit and verdicts")


def _value(value: Any) -> str:
    return "none" if value is None else harmless(value)


@runs.command()
@click.argument("directory", required=False, metavar="[DIR]")
@click.option("--yes", is_flag=True, help="Remove it; without this option it is only named.")
def clean(directory: str | None, *, yes: bool) -> None:
    """What may go from the caches and from DIR: partial files, damaged and failed runs, unused caches, stale locks."""
    from sslens.headless.litter import found_litter, remove
    from sslens.headless.runs import runs_folder

    found = found_litter(runs_folder(Path(directory) if directory else None))
    troubles = {}
    for each in found:
        trouble = remove(each) if yes else ""
        word = "kept" if trouble else "removed" if yes else "may go"
        click.echo(f"{word}: {short(each.path)}, {_size(each.bytes)}: {trouble or each.why}")
        troubles |= {each.path: trouble} if trouble else {}
    freed = sum(each.bytes for each in found if each.path not in troubles)
    if not found:
        click.echo("there is nothing to remove")
    else:
        command = f"sslens runs clean {shlex.quote(directory)} --yes" if directory else "sslens runs clean --yes"
        click.echo(f"{_size(freed)} in all" + ("" if yes else f"; {harmless(command)} removes it"))


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB" if count >= 1e3 else f"{count} bytes"
