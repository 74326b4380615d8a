r"""Formulas as MathML, made when a page is written: no typesetter is fetched when it is read.

A formula that is not understood stays as it was typed. What comes out holds a short list of presentation elements and
attributes, rebuilt one by one: no link, no action, no foreign markup, whatever stood in the formula.
"""

import re
import secrets
from html import escape, unescape
from typing import final
from xml.etree import ElementTree

from latex2mathml.converter import convert

ELEMENTS = frozenset(
    str.split("""
    math mrow mi mn mo mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover mtable mtr mtd
    mstyle mpadded mphantom menclose
""")
)
ATTRIBUTES = frozenset(
    str.split("""
    display displaystyle scriptlevel mathvariant stretchy fence form accent accentunder minsize maxsize
    separator movablelimits lspace rspace width height depth linethickness columnalign notation
""")
)
VALUE = re.compile(r"[\w.#% +-]{1,40}")
LONGEST, DEEPEST = 5_000, 50
"""Letters and nested braces of a formula that is tried."""
ALIKE = {"aligned": "split", "align": "split", "align*": "split", "gathered": "split", "gather": "split"} | {
    "gather*": "split",
    "equation*": "equation",
}
"""Environments by the name of one that the converter breaks into lines; numbers of equations go, as in Jupyter."""
ENVIRONMENT = re.compile(r"\\(begin|end)\{([a-z]+\*?)\}")
TOKEN = re.compile(r'<(/?)([a-zA-Z][a-zA-Z0-9]*)(?:"[^"]*"|[^">])*>')
AS_TYPED = frozenset({"code", "pre", "kbd", "samp", "math"})
"""Elements whose dollars are dollars."""
DELIMITED = re.compile(
    r"\$\$(?P<block>.+?)\$\$"
    r"|\\\[(?P<bracket>.+?)\\\]"
    r"|\\\((?P<round>.+?)\\\)"
    r"|(?P<environment>\\begin\{(?P<name>[a-z]+\*?)\}.*?\\end\{(?P=name)\})"
    r"|(?<![\\$])\$(?![\s$])(?P<dollar>(?:[^$\\\n]|\\.)+?)(?<!\s)\$(?![\d$])",
    re.DOTALL,
)


def mathml(tex: str, *, display: bool) -> str | None:
    """A formula as MathML; None where it is not understood.

    >>> mathml("x^2", display=False)
    '<math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>'
    """
    if not tex.strip() or len(tex) > LONGEST or _depth(tex) > DEEPEST:
        return None
    tex = ENVIRONMENT.sub(lambda found: f"\\{found[1]}{{{ALIKE.get(found[2], found[2])}}}", tex)
    try:
        root = ElementTree.fromstring(convert(tex, display="block" if display else "inline"))
    except Exception:  # of its own for each thing it does not know; of XML where it left a sign unescaped
        return None
    return _rebuilt(root) if all(map(_is_understood, root.iter())) else None


def _is_understood(element: ElementTree.Element) -> bool:
    """Whether it is an element we know, and not the name of a command that the converter does not."""
    return element.tag.rpartition("}")[2] in ELEMENTS and "\\" not in (element.text or "")


def _depth(tex: str) -> int:
    depth = deepest = 0
    for brace in re.findall(r"[{}]|\\left\b|\\right\b|\\begin\b|\\end\b", tex):
        depth += 1 if brace in ("{", "\\left", "\\begin") else -1
        deepest = max(deepest, depth)
    return deepest


def _rebuilt(element: ElementTree.Element) -> str:
    tag = element.tag.rpartition("}")[2]
    kept = {name: value for name, value in element.attrib.items() if name in ATTRIBUTES and VALUE.fullmatch(value)}
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in kept.items())
    inside = escape(element.text or "", quote=False) + "".join(map(_rebuilt, element))
    return f"<{tag}{attributes}>{inside}</{tag}>"


@final
class Formulas:
    """The formulas of one page: set aside while the text around them is made harmless, then put back.

    >>> formulas = Formulas()
    >>> formulas.put_back(f"<p>{formulas.aside('x', display=False, typed='$x$')}</p>")
    '<p><math display="inline"><mrow><mi>x</mi></mrow></math></p>'
    """

    def __init__(self) -> None:
        self.word = secrets.token_hex(8)  # text that came with the data cannot know it
        self.mark = re.compile(rf"\ue000{self.word}:([0-9]+)\ue001")
        self.made: list[tuple[str, str]] = []

    def aside(self, tex: str, *, display: bool, typed: str) -> str:
        """What stands for a formula until it is put back; the formula as it was typed where it is not understood."""
        made = mathml(tex, display=display)
        if made is None:
            return escape(typed, quote=False)
        self.made.append((made, escape(typed)))
        return f"\ue000{self.word}:{len(self.made) - 1}\ue001"

    def put_back(self, html: str) -> str:
        """Harmless HTML with its formulas; in an attribute, such as a picture's alternative text, as typed."""
        html = TOKEN.sub(lambda tag: self.mark.sub(lambda at: self.made[int(at[1])][1], tag[0]), html)
        return self.mark.sub(lambda at: self.made[int(at[1])][0], html)

    def as_typed(self, text: str) -> str:
        """Plain text with its formulas as they were typed, for places that hold no markup, such as contents."""
        return self.mark.sub(lambda at: unescape(self.made[int(at[1])][1]), text)

    def typeset(self, html: str) -> str:
        """Harmless HTML whose formulas, between the delimiters that MathJax knows, are MathML; but not in code."""
        parts, place, within = [], 0, 0
        for tag in TOKEN.finditer(html):
            text = html[place : tag.start()]
            parts += [text if within else self._typeset(text), tag[0]]
            place = tag.end()
            if tag[2].lower() in AS_TYPED:
                within = max(0, within + (-1 if tag[1] else 1))
        text = html[place:]
        return self.put_back("".join([*parts, text if within else self._typeset(text)]))

    def _typeset(self, text: str) -> str:
        return DELIMITED.sub(self._found, text)

    def _found(self, found: re.Match[str]) -> str:
        inline = found["dollar"] or found["round"]
        tex = inline or found["block"] or found["bracket"] or found["environment"]
        # sympy asks for a display within dollars
        display = not inline or "\\displaystyle" in inline
        return self.aside(unescape(tex), display=display, typed=unescape(found[0]))
