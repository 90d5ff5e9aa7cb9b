"""The built site is whole, and can be read without a network."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

LOADING_LINKS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "manifest"}


def check_site(html: Path, *, pages: list[str]) -> None:
    """Raise unless every page and the search index exist and nothing is loaded from elsewhere."""
    wanted = [*(f"{page}.html" for page in pages), "search.html", "searchindex.js"]
    missing = [name for name in wanted if not (html / name).is_file()]
    if missing:
        raise ValueError(f"the built book lacks {', '.join(missing)}")
    found = [
        f"{page.relative_to(html)}: {url}"
        for page in sorted(html.rglob("*.html"))
        for url in external(page)
    ]
    if found:
        raise ValueError(
            "the book must be readable without a network, but pages load from elsewhere "
            f"({len(found)} places); ship the files with the book. First: {found[0]}"
        )


def external(page: Path) -> list[str]:
    """Addresses on other hosts from which an HTML page would load something by itself."""
    parser = _Loads()
    parser.feed(page.read_text(encoding="utf-8"))
    return [url for url in parser.urls if url.lower().startswith(("http:", "https:", "//"))]


class _Loads(HTMLParser):
    """Collects what a browser fetches while it renders a page; plain links are no part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses of one element."""
        found = {name: value or "" for name, value in attrs}
        if tag == "link" and LOADING_LINKS & set(found.get("rel", "").lower().split()):
            self.urls.append(found.get("href", ""))
        if tag in {"script", "img", "source", "iframe", "video", "audio", "embed"}:
            self.urls.append(found.get("src", ""))
        if tag in {"image", "use"}:  # inside an SVG
            self.urls.append(found.get("href", found.get("xlink:href", "")))
