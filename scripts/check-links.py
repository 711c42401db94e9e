"""Checks that every relative link in the repository's markdown leads somewhere.

Files and `#anchors` are checked, as GitHub makes them; addresses on the web are not. Exit 1 with
`FILE:LINE: what` for each link that leads nowhere.
"""

import re
import subprocess
import sys
from pathlib import Path

FENCE = re.compile(r"^\s*(```|~~~)")
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")


def prose(path):
    """Yields (line number, line) outside fenced code."""
    fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(path):
    """The anchors GitHub makes of a page's headings; a repeated heading gets -1, -2 and so on."""
    seen = {}
    for _, line in prose(path):
        if match := HEADING.match(line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).lower()
            anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            again = seen.setdefault(anchor, 0)
            seen[anchor] += 1
            yield f"{anchor}-{again}" if again else anchor


def fault(page, link):
    """Why `link` on `page` leads nowhere, or None."""
    if re.match(r"[a-z][a-z0-9+.-]*:", link):
        return None
    name, _, anchor = link.partition("#")
    target = (page.parent / name) if name else page
    if not target.exists():
        return f"no such file: {link}"
    if anchor and target.suffix == ".md" and anchor not in set(anchors(target)):
        return f"no such heading: {link}"
    return None


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True, check=True)
    pages = [page for name in listed.stdout.decode().split("\n") if name and (page := Path(name)).exists()]
    faults = [
        f"{page}:{number}: {why}"
        for page in pages
        for number, line in prose(page)
        for link in LINK.findall(re.sub(r"`[^`]*`", "", line))
        if (why := fault(page, link))
    ]
    print("\n".join(faults) or f"{len(pages)} pages, every link leads somewhere")
    return 1 if faults else 0


sys.exit(main())
