"""A figure that changes in place in JupyterLab, at a kilobyte each.

Plotly's own FigureWidget carries 5 MB of script in every figure, and anywidget gives a figure two seconds to start.
Here one hidden widget per kernel holds the script, compressed; each figure brings a loader that fetches it from there.
The loader also keeps the figure as wide as its place, which plotly does for the window alone, and keeps keys from
JupyterLab, whose command mode would take ArrowDown and cut a cell at x: all of a panel's keys, if it is in one.
"""

import copy
import gzip
from functools import cache
from pathlib import Path
from typing import Any, final

import anywidget
import plotly
import plotly.graph_objects as go
import traitlets

from sslens.figures import theme

PANEL = "sslens-panel"
"""The CSS class of a box that holds a live figure and its controls."""
SCRIPT = Path(plotly.__file__).parent / "package_data" / "widgetbundle.js"

_LOADER = """
async function script(model) {
  const name = model.get("_script");
  const widget = await model.widget_manager.get_model(name);
  const packed = new Blob([widget.get("packed")]).stream().pipeThrough(new DecompressionStream("gzip"));
  const address = URL.createObjectURL(new Blob([await new Response(packed).text()], {type: "text/javascript"}));
  try { return (await import(address)).default; } finally { URL.revokeObjectURL(address); }
}
function shared(model) {
  const key = "sslens-plotly-" + model.get("_version");
  globalThis[key] ??= script(model).catch(error => { delete globalThis[key]; throw error; });
  return globalThis[key];
}
function fresh(model) {
  return new Promise(resolve => {
    setTimeout(resolve, 1500);
    model.on("msg:custom", message => message === "state" && resolve());
    model.send("state");
  });
}
const passes = key => key.ctrlKey || key.metaKey || key.altKey
  || ["Tab", "Escape"].includes(key.key) || key.shiftKey && key.key === "Enter";
const keep = key => { if (!passes(key)) key.stopPropagation(); };
function settle(el) {
  (el.closest(".sslens-panel") ?? el).addEventListener("keydown", keep);
  if (el._fullLayout && Math.abs(el._fullLayout.width - el.clientWidth) >= 1) el._responsiveChartHandler?.();
}
export default () => {
  let started;
  const start = model => started ??= shared(model).then(async figure => {
    await fresh(model);
    const widget = figure();
    await widget.initialize({model});
    return widget;
  }).catch(error => { started = undefined; throw error; });
  return {
    initialize({model}) { start(model).catch(() => {}); },
    async render({model, el}) {
      const observer = new ResizeObserver(() => settle(el));
      observer.observe(el);
      const remove = (await start(model)).render({model, el});
      return () => { observer.disconnect(); remove(); };
    },
  };
};
"""


@final
class Script(anywidget.AnyWidget):
    """Plotly's script, once per kernel."""

    _esm = "export default {};"
    packed = traitlets.Bytes(b"").tag(sync=True)


@cache
def script() -> Script:
    """The one widget that holds the script."""
    return Script(packed=gzip.compress(SCRIPT.read_bytes(), 6, mtime=0))


@final
class LiveFigure(go.FigureWidget):
    """A FigureWidget without the script of its own; a page opened again sees its present data, not its first."""

    _esm = _LOADER
    _script = traitlets.Unicode().tag(sync=True)
    _version = traitlets.Unicode(plotly.__version__).tag(sync=True)

    @traitlets.default("_script")
    def _script_name(self) -> str:
        return script().model_id

    def __init__(self, figure: go.Figure) -> None:
        super().__init__(figure.data, figure.layout)
        # Updates travel as messages, and a script that is still loading hears none: it asks once when it is ready.
        self.on_msg(lambda *_: (self.send_state(), self.send("state")))

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """The state a page begins with, data and layout as they are now."""
        if key is None and getattr(self, "_data", None) is not None:
            self._trait_values["_widget_data"] = copy.deepcopy(self._data)
            self._trait_values["_widget_layout"] = copy.deepcopy(self._layout_obj._props)
        return super().get_state(key=key, drop_defaults=drop_defaults)


def live(figure: go.Figure) -> go.FigureWidget:
    """A widget that shows this figure; plotly's own where its script is not at the known place.

    >>> len(live(go.Figure(go.Scatter(y=[1, 2]))).get_state()["_esm"]) < 3000
    True
    """
    widget = LiveFigure(figure) if SCRIPT.is_file() else go.FigureWidget(figure)
    widget._config = dict(theme.CONFIG)
    return widget


def redraw(widget: go.FigureWidget, *, before: go.Figure, after: go.Figure) -> None:
    """Turn the widget from one figure into another by what differs between the two, so that zoom and selection stay."""
    pictures: list[Any] = [before, after]
    was, now = ([trace.type for trace in picture.data] for picture in pictures)
    if was != now:
        widget.data = []
        widget.add_traces(after.data)
        before = go.Figure(after.data, before.layout)
    with widget.batch_update():
        for shown, old, new in zip(widget.data, before.data, after.data, strict=True):
            _change(shown, old=old, new=new)
        _change(widget.layout, old=before.layout, new=after.layout)


def _change(shown: Any, *, old: Any, new: Any) -> None:
    # One call per property: a vanished one has to be emptied, an equal one must not be sent.
    was, now = old.to_plotly_json(), new.to_plotly_json()
    for name in was.keys() | now.keys():
        if name not in ("type", "uid", "template") and repr(was.get(name)) != repr(now.get(name)):
            shown[name] = now.get(name)
