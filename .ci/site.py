#!/usr/bin/env python3
"""Whether every link within the site in target/book leads to a file, and to a heading that it has."""

import pathlib
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

BOOK = pathlib.Path(__file__).resolve().parent.parent / "target" / "book"


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        self.links += [link for name in ("href", "src") if (link := attributes.get(name))]


# What a server would send for an address that does not exist has its own root, and one page has all others in it.
pages = {path: Page(path) for path in BOOK.rglob("*.html") if path.name not in ("404.html", "print.html", "head.html")}
bad, seen = [], 0
for path, page in pages.items():
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc or link.startswith("/"):
            continue
        seen += 1
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        there = target.exists() and (not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].ids)
        if not there:
            bad.append(f"{path.relative_to(BOOK)}: {link}")
if bad or seen < 100:
    sys.exit("links that lead nowhere:\n" + "\n".join(bad))
print(f"{len(pages)} pages, {seen} links within the site")
