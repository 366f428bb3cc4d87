"""Parse a page as a browser does: what it loads, and whether its elements are closed."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "path", "use", "rect", "line", "input", "hr"}


class Checker(HTMLParser):
    """Collects what a page loads, its pictures' alternative texts, and elements left open."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []
        self.spoken: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        result = dict(attrs)
        for name in ("src", "href", "xlink:href", "data", "srcset", "poster"):
            if result.get(name):
                self.loads.append(str(result[name]))
        assert tag not in ("script", "link", "iframe", "object", "embed")
        if tag == "img":
            self.spoken.append(str(result.get("alt") or ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag
