"""Widgets on a page without a kernel: a figure is drawn as it was last, words are shown, a control is named."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
from bs4 import BeautifulSoup

from sslens.figures.theme import PLOTLY
from sslens.headless.outputs import WIDGET

STATE = "application/vnd.jupyter.widget-state+json"
REFERENCE = "IPY_MODEL_"
DEEPEST = 20
"""Boxes in boxes that are looked into."""


def shown_instead(data: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    """What a page shows in place of a widget's view, as a bundle of MIME types.

    >>> shown_instead({WIDGET: {"model_id": "a"}}, {"a": {"model_name": "LabelModel", "state": {"value": "3 of 3"}}})
    {'text/plain': '3 of 3'}
    """
    view = data.get(WIDGET)
    model = models.get(str(view.get("model_id"))) if isinstance(view, Mapping) else None
    figure = _figure(model)
    if figure is not None:
        return {PLOTLY: figure}
    if words := " ".join(_words(model, models)).strip():
        return {"text/plain": words}
    kind = str(_state(model).get("description") or str((model or {}).get("model_name", "")).removesuffix("Model"))
    name = f" ({kind})" if kind else ""
    note = f"A control stood here{name}: open the notebook in JupyterLab to use it."
    return {"text/html": f'<p class="sslens-note">{escape(note)}</p>'}


def models_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The widgets of a notebook by name, as Jupyter saves them, or as Colab does."""
    saved = metadata.get("widgets", {})
    saved = saved.get(STATE, {}) if isinstance(saved, Mapping) else {}
    models = saved.get("state", saved) if isinstance(saved, Mapping) else {}
    return {name: model for name, model in models.items() if isinstance(model, Mapping)}


def _state(model: Any) -> Mapping[str, Any]:
    state = model.get("state", {}) if isinstance(model, Mapping) else {}
    return state if isinstance(state, Mapping) else {}


def _figure(model: Any) -> dict[str, Any] | None:
    """The figure of a plotly widget; its long arrays lie beside it and are put back."""
    data, layout = (_state(model).get(f"_widget_{part}") for part in ("data", "layout"))
    if not isinstance(data, list) or not isinstance(layout, Mapping):
        return None
    parts = {"_widget_data": data, "_widget_layout": layout}
    try:
        arrays = {tuple(map(str, each["path"])): each["data"] for each in model.get("buffers") or []}
        return {name.rpartition("_")[2]: _whole(value, arrays, (name,)) for name, value in parts.items()}
    except (KeyError, TypeError, ValueError):  # no buffers that plotly would have left
        return None


def _whole(value: Any, arrays: Mapping[tuple[str, ...], str], path: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        if packed := arrays.get((*path, "buffer")):
            shape = value.get("shape")
            code = np.dtype(str(value.get("dtype", "float64"))).str.lstrip("<>|=")
            sizes = {"shape": ", ".join(map(str, shape))} if isinstance(shape, list) and len(shape) > 1 else {}
            return {"bdata": packed, "dtype": code} | sizes
        return {name: _whole(each, arrays, (*path, name)) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each, arrays, (*path, str(place))) for place, each in enumerate(value)]
    return value


def _words(model: Any, models: Mapping[str, Any], depth: int = 0) -> list[str]:
    """What a label, a piece of HTML, a bar, or a box of such says."""
    kind, state = str((model or {}).get("model_name", "")), _state(model)
    if kind in ("HTMLModel", "LabelModel", "HTMLMathModel"):
        return [BeautifulSoup(str(state.get("value", "")), "html.parser").get_text().replace("\u2007", " ").strip()]
    if kind in ("HBoxModel", "VBoxModel", "BoxModel") and depth < DEEPEST:
        names = [str(child).removeprefix(REFERENCE) for child in state.get("children", [])]
        said = [_words(models.get(name), models, depth + 1) for name in names]
        bars = [str((models.get(name) or {}).get("model_name", "")).endswith("ProgressModel") for name in names]
        return [word for words in said for word in words] if all(map(any, zip(said, bars, strict=True))) else []
    return []
