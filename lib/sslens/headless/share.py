"""Which recorded runs a notebook uses, to be packed for others who are to run it."""

from collections.abc import Mapping
from pathlib import Path

from sslens import studies
from sslens.headless.attempt import environment
from sslens.headless.notebook import read_notebook
from sslens.headless.parameters import resolve
from sslens.train.config import Config
from sslens.types import InputError


def configs_of(notebook: Path, given: Mapping[str, str], *, profile: str = "lesson") -> list[Config]:
    """The config of every run that a notebook trains at a profile, with its parameters but for those that are given.

    Raises:
        InputError: no notebook, one without a study, or what ``resolve`` refuses.

    >>> configs_of(Path("nowhere.ipynb"), {})
    Traceback (most recent call last):
        ...
    sslens.types.InputError: notebook must be a readable .ipynb file. Got 'nowhere.ipynb'. (No such file or directory)
    """
    found, study = read_notebook(notebook), studies.of_notebook(notebook.stem)
    if study is None:
        raise InputError("NOTEBOOK", str(notebook), "one of the suite's, which a study says the runs of")
    with environment({"SSLENS_PROFILE": None}):  # the option decides, whatever the checks are set to
        setting = study.Setting.of(resolve(found, given, profile=profile, name=notebook.stem))
        configs = study.configs(setting)
    seeds = range(getattr(setting, "seeds", 1))
    return [config.changed(seed=seed) for config in configs.values() for seed in seeds]
