"""The pages for people: README.md and docs/*.md, and what the tests of them share."""

import os
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2]
# The order in which somebody new reads them; what a page needs, the pages before it have made.
ORDER = ("docs/getting-started.md", "README.md")
MARK = re.compile(r"<!-- not run: (.+) -->")
BINARY = os.environ.get("TEST_MILLRACE") or os.path.join(
    os.environ.get("TEST_BUILD_DIR", SOURCE / "build" / "dev"), "bin", "millrace"
)


class Block:
    """A fenced block of shell: where it is, what it says, and why it is not run (None: it is)."""

    def __init__(self, page, line, text, why_not):
        self.where, self.text, self.why_not = f"{page}:{line}", text, why_not


def pages():
    """{name: text}"""
    rest = sorted(str(path.relative_to(SOURCE)) for path in (SOURCE / "docs").glob("*.md"))
    names = [*ORDER, *(name for name in rest if name not in ORDER)]
    return {name: (SOURCE / name).read_text() for name in names}


def blocks(page, text):
    found, lines = [], text.splitlines()
    starts = (number for number, line in enumerate(lines) if line == "```sh")
    for start in starts:
        end = lines.index("```", start)
        mark = MARK.fullmatch(lines[start - 1])
        found.append(
            Block(page, start + 2, "\n".join(lines[start + 1 : end]), mark[1] if mark else None)
        )
    return found
