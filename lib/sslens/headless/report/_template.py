"""What a report looks like: the template of its page, its style, and the one script that draws its figures."""

from sslens.figures.sliders import KEYBOARD
from sslens.figures.theme import PLOTLY

LIBRARY = "/* plotly */"
"""Where plotly comes, once the page stands."""
CONTENTS = '<nav id="sslens-contents"></nav>'
"""Where the links to the headings come."""
# plotly compiles its WebGL traces at run time, hence 'unsafe-eval'; it opens the page to no script
POLICY = (
    "default-src 'none'; script-src 'nonce-{{ resources.nonce }}' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)
TEMPLATE = f"""\
{{%- extends 'lab/index.html.j2' -%}}
{{%- block html_head_js -%}}
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="generator" content="sslens">
<script nonce="{{{{ resources.nonce }}}}"{{{{ resources.source }}}}>{LIBRARY}</script>
{{%- endblock -%}}
{{%- block jupyter_widgets -%}}{{%- endblock -%}}
{{%- block html_head_js_mathjax -%}}{{%- endblock -%}}
{{%- block html_head_js_mermaidjs -%}}{{%- endblock -%}}
{{%- block html_head_css -%}}<style>{{{{ resources.style }}}}</style>{{%- endblock -%}}
{{%- block body_header -%}}
<body class="jp-Notebook" data-jp-theme-light="true" data-jp-theme-name="JupyterLab Light">
{CONTENTS}
<main>
{{%- endblock -%}}
{{%- block data_priority scoped -%}}
{{%- if '{PLOTLY}' in output.data -%}}
<div class="sslens-figure" role="figure" aria-label="{{{{ output.data['{PLOTLY}'] | described }}}}">
<div class="plotly-graph-div"></div>
<script type="application/json">{{{{ output.data['{PLOTLY}'] | figure }}}}</script></div>
{{%- elif output.data.keys() | select('in', resources.shown) | list -%}}{{{{ super() }}}}{{%- endif -%}}
{{%- endblock -%}}
{{%- block data_html scoped -%}}
<div class="jp-RenderedHTMLCommon jp-RenderedHTML jp-OutputArea-output" data-mime-type="text/html">
{{{{ output.data['text/html'] | shown_html }}}}
</div>
{{%- endblock -%}}
{{%- block data_latex scoped -%}}
<div class="jp-RenderedHTMLCommon jp-RenderedLatex jp-OutputArea-output" data-mime-type="text/latex">
{{{{ output.data['text/latex'] | shown_latex }}}}
</div>
{{%- endblock -%}}
{{%- block footer_js -%}}<script nonce="{{{{ resources.nonce }}}}">{{{{ resources.draw }}}}</script>{{%- endblock -%}}
"""
MOVE = KEYBOARD.replace('document.getElementById("{plot_id}")', "place")
DRAW = f"""
for (const place of document.querySelectorAll(".plotly-graph-div"))
  Plotly.newPlot(place, JSON.parse(place.nextElementSibling.textContent)).then(() => {{{MOVE}}});
"""
STYLE = """
body.jp-Notebook { background: #fff; padding: 0; overflow: auto; }
main { max-width: 1000px; margin: 0 auto; padding: 32px 24px 80px; }
.jp-Cell { padding: 4px 0; }
.jp-RenderedHTMLCommon { font: 16px/1.6 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #1f2328; }
.jp-RenderedMarkdown { padding: 0; }
.jp-RenderedHTMLCommon h1 { font-size: 30px; line-height: 1.25; margin: 8px 0 16px; }
.jp-RenderedHTMLCommon h2 { font-size: 22px; margin: 36px 0 12px; padding-bottom: 6px; }
.jp-RenderedHTMLCommon h2 { border-bottom: 1px solid #d8dee4; }
.jp-RenderedHTMLCommon blockquote { border-left: 4px solid #0072b2; background: #f3f8fc; }
.jp-RenderedHTMLCommon blockquote { padding: 6px 16px; margin: 12px 0; }
.jp-InputArea-editor { background: #f6f8fa; border: 1px solid #e3e8ed; border-radius: 6px; }
.jp-InputArea-editor .highlight pre { font-size: 13px; line-height: 1.5; padding: 8px 12px; overflow-x: auto; }
.jp-OutputArea-child { display: block; }
.jp-OutputArea-output { display: block; padding: 6px 0; overflow-x: auto; }
.jp-OutputArea-output pre { font-size: 13px; line-height: 1.5; padding: 4px 12px; overflow-x: auto; }
.jp-OutputArea-output pre { white-space: pre; word-break: normal; }
.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"] { background: #fdecea; border-radius: 6px; }
.jp-RenderedText[data-mime-type="text/plain"] { border-left: 3px solid #d0d7de; }
.sslens-figure, .plotly-graph-div { width: 100%; }
.jp-RenderedHTMLCommon table { margin: 12px 0; font-size: 14px; }
.jp-RenderedMarkdown .highlight pre { background: #f6f8fa; border-radius: 6px; padding: 8px 12px; font-size: 13px; }
.jp-RenderedHTMLCommon table { display: block; max-width: 100%; overflow-x: auto; width: max-content; margin-left: 0; }
.jp-RenderedHTMLCommon img { max-width: 100%; height: auto; }
.jp-RenderedHTMLCommon a { color: #0b5cad; }
.jp-RenderedHTMLCommon.jp-RenderedHTML pre { font: 13px/1.5 monospace; overflow-x: auto; }
table.sslens-verdicts { display: table; table-layout: auto; width: 100%; }
table.sslens-verdicts caption { caption-side: bottom; text-align: left; color: #57606a; padding: 8px 4px; }
table.sslens-verdicts th, table.sslens-verdicts td { vertical-align: top; padding: 10px 8px; }
table.sslens-verdicts tbody th { width: 7.5em; }
.jp-RenderedHTMLCommon.jp-RenderedHTML .sslens-verdicts pre { line-height: 1.25; margin: 0 0 6px; padding: 0; }
.jp-RenderedHTMLCommon.jp-RenderedHTML .sslens-verdicts pre { background: none; }
@media (max-width: 700px) {
  table.sslens-verdicts, .sslens-verdicts tbody, .sslens-verdicts tr { display: block; }
  table.sslens-verdicts tbody th, table.sslens-verdicts td, .sslens-verdicts caption { display: block; width: auto; }
  table.sslens-verdicts thead { position: absolute; left: -10000px; }
  table.sslens-verdicts th, table.sslens-verdicts td { padding: 4px; }
  table.sslens-verdicts tr { border-bottom: 1px solid #d8dee4; padding: 8px 0; }
}
li.sslens-task { list-style: none; margin-left: -1.3em; }
.sslens-note { color: #57606a; font-style: italic; }
#sslens-contents { position: absolute; left: -10000px; }
#sslens-contents:focus-within { position: static; max-width: 1000px; margin: 0 auto; padding: 16px 24px 0; }
#sslens-contents a { display: block; color: #0b5cad; font: 15px/1.8 system-ui, Helvetica, Arial, sans-serif; }
:focus-visible { outline: 2px solid #0072b2; outline-offset: 2px; }
math { font-size: 1.08em; }
:has(> math[display="block"]) { overflow-x: auto; }
summary code { overflow-wrap: anywhere; }
math[display="block"] { margin: 10px 0; }
math [mathvariant^="bold"] { font-weight: bold; }
math mtd[columnalign="left"] { text-align: left; }
math mtd[columnalign="right"] { text-align: right; }
.highlight .o, .highlight .ow { color: #7d1fc4; }
.highlight .m, .highlight .mi, .highlight .mf, .highlight .mh { color: #0a6e2c; }
.highlight .c1, .highlight .c, .highlight .ch, .highlight .cm { color: #3d6466; }
pre .ansi-black-fg.ansi-black-fg { color: #24292f; }
pre .ansi-black-intense-fg.ansi-black-intense-fg { color: #57606a; }
pre .ansi-red-fg.ansi-red-fg, pre .ansi-red-intense-fg.ansi-red-intense-fg { color: #b0221f; }
pre .ansi-green-fg.ansi-green-fg, pre .ansi-green-intense-fg.ansi-green-intense-fg { color: #0a6e2c; }
pre .ansi-yellow-fg.ansi-yellow-fg, pre .ansi-yellow-intense-fg.ansi-yellow-intense-fg { color: #7d5a00; }
pre .ansi-blue-fg.ansi-blue-fg, pre .ansi-blue-intense-fg.ansi-blue-intense-fg { color: #0b5cad; }
pre .ansi-magenta-fg.ansi-magenta-fg, pre .ansi-magenta-intense-fg.ansi-magenta-intense-fg { color: #8a2f9e; }
pre .ansi-cyan-fg.ansi-cyan-fg, pre .ansi-cyan-intense-fg.ansi-cyan-intense-fg { color: #0a6670; }
pre .ansi-white-fg.ansi-white-fg, pre .ansi-white-intense-fg.ansi-white-intense-fg { color: #57606a; }
@media print {
  main { max-width: none; padding: 0; }
  #sslens-contents { display: none; }
  h1, h2, h3 { break-after: avoid; }
  .sslens-figure, table, img, math, .jp-InputArea-editor { break-inside: avoid; }
  .jp-OutputArea-output, .jp-OutputArea-output pre, .jp-RenderedHTMLCommon table { overflow: visible; }
  .jp-OutputArea-output pre, .jp-InputArea-editor .highlight pre { white-space: pre-wrap; overflow-wrap: anywhere; }
}
"""
