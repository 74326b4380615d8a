"""Markdown as Jupyter reads it, with formulas set aside, task lists as characters and headings that can be reached."""

import re
from collections.abc import Mapping
from html import escape, unescape
from typing import Any, ClassVar, final
from urllib.parse import unquote

from bs4 import BeautifulSoup
from mistune import HTMLRenderer
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath, MathInlineParser

from sslens.headless.report._formulas import Formulas

Attachments = Mapping[str, Mapping[str, str]]
"""Pictures of a cell: name -> MIME type -> base64."""


def to_html(source: str, formulas: Formulas, *, attachments: Attachments) -> tuple[str, list[tuple[int, str, str]]]:
    r"""A cell's Markdown as HTML that is not harmless yet, and its headings as level, name of the anchor and text.

    >>> html, headings = to_html("# Why?", Formulas(), attachments={})
    >>> html, headings
    ('<h1 id="Why?">Why?</h1>\n', [(1, 'Why?', 'Why?')])
    """
    renderer = _Renderer(formulas)
    html = MarkdownWithMath(renderer=renderer, inline=_Inline(hard_wrap=False)).render(source)
    return _with_pictures(html, attachments), renderer.headings


def _with_pictures(html: str, attachments: Attachments) -> str:
    """With the pictures that come with a cell in their places, however they are placed there."""
    if not attachments or "<img" not in html:
        return html
    soup = BeautifulSoup(html, "html.parser")
    for image in soup.find_all("img"):
        name = str(image.get("src", "")).removeprefix("attachment:")
        found = attachments.get(name) or attachments.get(unquote(name)) or {}
        for mime, content in found.items():
            if mime.startswith("image/"):
                image["src"] = f"data:{mime};base64,{content}"
    return str(soup)


@final
class _Inline(MathInlineParser):
    """One dollar opens a formula only before a letter or sign, and closes it only after one and before no digit.

    So prices stay prices; and no formula reaches into code.
    """

    DOLLARS = r"(?<![$\\`])\$(?![\s$])(?P<math_inline_tex>(?:[^$`\\\n]|\\.|\n(?!\s*\n))+?)(?<!\s)\$(?![\d$])"
    SPECIFICATION: ClassVar[dict[str, str]] = MathInlineParser.SPECIFICATION | {"inline_math_tex": DOLLARS}


@final
class _Renderer(IPythonRenderer):
    """Jupyter's, but for formulas, task lists, headings, and pictures, which are placed later."""

    def __init__(self, formulas: Formulas) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self.formulas = formulas
        self.headings: list[tuple[int, str, str]] = []

    def block_math(self, body: str) -> str:
        return self.formulas.aside(body, display=True, typed=f"$${body}$$")

    def inline_math(self, body: str) -> str:
        return self.formulas.aside(body, display=False, typed=f"${body}$")

    def latex_environment(self, name: str, body: str) -> str:
        typed = f"\\begin{{{name}}}{body}\\end{{{name}}}"
        return self.formulas.aside(typed, display=True, typed=typed)

    def task_list_item(self, text: str, checked: bool = False) -> str:
        box = "☑" if checked else "☐"
        text = text.replace("<p>", f"<p>{box} ", 1) if text.startswith("<p>") else f"{box} {text}"
        return f'<li class="sslens-task">{text}</li>\n'

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        words = self.formulas.as_typed(unescape(re.sub("<[^>]*>", "", text))).strip()
        anchor = words.replace(" ", "-")
        self.headings.append((level, anchor, words))
        return f'<h{level} id="{escape(anchor)}">{text}</h{level}>\n'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return HTMLRenderer.image(self, text, url, title)
