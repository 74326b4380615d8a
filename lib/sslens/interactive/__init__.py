"""Hands, in JupyterLab: controls that recompute a figure, exercises, sources to unfold."""

from sslens.interactive.controls import Zoom, explore
from sslens.interactive.exercise import check
from sslens.interactive.source import show_source

__all__ = ["Zoom", "check", "explore", "show_source"]
