"""Pictures: pure functions from numbers to plotly figures. Importing this floor puts the theme in place."""

from sslens.figures import classes, counts, dynamics, regions, spectrum, theme, timeline, views

theme.install()

__all__ = ["classes", "counts", "dynamics", "regions", "spectrum", "theme", "timeline", "views"]
