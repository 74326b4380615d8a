"""Hands, in JupyterLab: controls that recompute a figure, and exercises."""

from sslens.lab.exercise import check
from sslens.lab.widgets import Zoom, explore

__all__ = ["Zoom", "check", "explore"]
