"""What a test wants to know of a page of HTML."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "link", "source", "col", "wbr", "area", "base"}
LINKS = ("href", "src", "srcset", "data", "action", "poster", "xlink:href")


class PageReader(HTMLParser):
    """Reads a page, and fails if its elements do not nest.

    Attributes
    ----------
    ids, links : list of str
    tags : list of str
        In the order in which elements open.
    texts : dict of str to str
        The words in each section, by its id.
    labels : list of str
        What screen readers say of the drawings.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.labels: list[str] = []
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        self._section = ""
        self.feed(text)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self._section and not {"svg", "style"} & set(self._open):
            self.texts[self._section] = self.texts.get(self._section, "") + data

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        assert len(given) == len(attrs), f"<{tag}> has an attribute twice"
        if "id" in given:
            self.ids.append(str(given["id"]))
        if tag == "section":
            self._section = str(given.get("id"))
        if tag == "svg":
            self.labels.append(str(given.get("aria-label")))
        self.links += [str(given[name]) for name in LINKS if given.get(name)]
