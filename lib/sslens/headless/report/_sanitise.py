"""HTML from notebooks made harmless: the elements of ordinary prose, and nothing that acts or fetches."""

import re

import bleach
from bleach.css_sanitizer import CSSSanitizer
from bs4 import BeautifulSoup, Tag

TAGS = frozenset(
    str.split("""
    a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4
    h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th
    thead tr u ul var
""")
)
DROPPED = frozenset(
    str.split("""
    applet audio base button canvas datalist embed frame frameset head iframe link map math meta noscript object
    option progress script select style svg template textarea title video
""")
)
"""Elements that go with all they hold: it is not meant to be read."""
OPENED = frozenset(
    str.split("""
    acronym address article aside bdi bdo big body center cite data dfn fieldset font footer form header hgroup
    html label legend main nav nobr optgroup output picture section source strike time track tt wbr
""")
)
"""Elements that go without what they hold; a tag that HTML does not know at all is shown as text."""
LINK = re.compile(r"https?:|mailto:|[^:&]*$")
HIDDEN = re.compile(r"(?:^|;)\s*display\s*:\s*none\b", re.IGNORECASE)
COLOUR = CSSSanitizer(allowed_css_properties=["text-align", "width", "font-weight", "font-style", "color"])


def harmless(html: str) -> str:
    """HTML without anything that acts: what it would not show on a page with its styles is not shown here either.

    >>> harmless("<style>td {color: red}</style><b onclick='steal()'>12</b><script>steal()</script> <T>")
    '<b>12</b> &lt;t&gt;'
    """
    try:
        soup = BeautifulSoup(html, "html.parser")
        _simplify(soup)
        return _cleaned(str(soup))
    except RecursionError:  # nested beyond any table
        return _cleaned(re.sub("<[^>]*>", " ", html))


def _simplify(soup: BeautifulSoup) -> None:
    for element in soup.find_all(True):
        if element.decomposed:
            continue
        if element.name in DROPPED or element.has_attr("hidden") or HIDDEN.search(str(element.get("style", ""))):
            element.decompose()
        elif element.name == "input":
            _show_box(element)
        elif element.name == "img" and not str(element.get("src", "")).startswith("data:image/"):
            _name_picture(element)
        elif element.name not in TAGS:
            if element.name not in OPENED:
                element.insert_before(f"<{element.name}>")
            element.unwrap()


def _show_box(element: Tag) -> None:
    if element.get("type") == "checkbox":
        element.replace_with("☑ " if element.has_attr("checked") else "☐ ")
    else:
        element.decompose()


def _name_picture(element: Tag) -> None:
    """A picture that is not in the page is named in its place."""
    name = str(element.get("alt") or "").strip() or str(element.get("src", "")).rpartition("/")[2] or "picture"
    note = Tag(name="span", attrs={"class": "sslens-note"})
    note.string = name
    element.replace_with(note)


def _cleaned(html: str) -> str:
    everywhere = {
        "*": ["class", "id", "title", "align", "style", "aria-hidden"],
        "details": ["open"],
        "ol": ["start", "type"],
    }
    cells = {"td": ["colspan", "rowspan"], "th": ["colspan", "rowspan", "scope"]}
    links = {
        "a": lambda _, name, value: _of_link(name, value),
        "img": lambda _, name, value: _of_image(name, value),
    }
    return bleach.clean(
        html,
        tags=TAGS,
        attributes=everywhere | cells | links,
        protocols=["http", "https", "mailto", "data"],
        css_sanitizer=COLOUR,
    )


def _of_link(name: str, value: str) -> bool:
    # the protocol "data" is there for images alone; an entity could hide one
    return name in ("class", "id", "title") or (name == "href" and bool(LINK.match(value)))


def _of_image(name: str, value: str) -> bool:
    return name in ("alt", "title", "width", "height") or (name == "src" and value.startswith("data:image/"))
