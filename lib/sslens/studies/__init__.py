"""One module for each notebook, of the same name without its number: its question, its runs, its claims.

A study holds ``NOTEBOOK``, ``QUESTION``, ``Setting`` (the parameters of the notebook), ``configs(setting)`` and
``runs(setting)``, its claims gathered in ``CLAIMS``, and ``answer(verdicts)``, one sentence that follows them.
"""

from sslens.studies.study import Verdicts, from_namespace, in_one_line, of_notebook, outcomes, stacked, stated

__all__ = ["Verdicts", "from_namespace", "in_one_line", "of_notebook", "outcomes", "stacked", "stated"]
