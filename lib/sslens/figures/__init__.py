"""Pictures: pure functions from numbers to plotly figures. Importing this floor puts the theme in place."""

from sslens.figures import classes, dynamics, spectrum, theme, views

theme.install()

__all__ = ["classes", "dynamics", "spectrum", "theme", "views"]
