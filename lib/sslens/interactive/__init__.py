"""Hands, in JupyterLab: controls that recompute a figure, sources to unfold."""

from sslens.interactive.controls import Zoom, explore
from sslens.interactive.source import show_source

__all__ = ["Zoom", "explore", "show_source"]
