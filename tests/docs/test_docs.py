"""What the pages name exists: links, commands and their options, verbs of `run`, failure codes."""

import re
import subprocess
import unittest

import pages

CODE = re.compile(r"```.*?^```$|``[^\n]+?``|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
LITERALS = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
ERROR = re.compile(rf'^X\(\w+, "(\w+)", (\w+),\s*{LITERALS},\s*{LITERALS}\)', re.MULTILINE)
EVERYWHERE = {"--help", "--version", "--man"}


def said(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=pages.SOURCE)
    return done.stdout


def literal(text):
    """C string literals that stand one after the other."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text)).replace('\\"', '"')


def calls(text, program):
    """What follows a program's name in code, up to the end of that command."""
    for code in CODE.findall(text):
        shell = re.sub(r"\\\n\s*", " ", code)
        before = r"(?:^|[`\n|;&] *)(?:build/bin/)?"
        for rest in re.findall(rf"{before}{program}((?: [^\n`|;&#]*)?)", shell):
            yield rest.split()


def anchors(text):
    """What links may name of a page: its headings, as they are spelt there."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


class Docs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pages = pages.pages()
        cls.commands = {
            name: set(re.findall(r"--[a-z][a-z-]*", said(pages.BINARY, name, "--help")))
            for name in re.findall(r"^  ([a-z]+)  ", said(pages.BINARY, "--help"), re.MULTILINE)
        }
        cls.verbs = set(re.findall(r"^  ([a-z]+)", said("./run", "help"), re.MULTILINE))

    def test_relative_links_lead_somewhere(self):
        for name, text in self.pages.items():
            for link in LINK.findall(CODE.sub("", text)):
                path, _, place = link.partition("#")
                if "://" in path:
                    continue
                page = pages.SOURCE / name
                target = (page.parent / path).resolve() if path else page
                self.assertTrue(target.exists(), f"{name}: {link}")
                if place:
                    self.assertIn(place, anchors(target.read_text()), f"{name}: {link}")

    def test_each_page_is_reached_from_the_first_one(self):
        linked = set(LINK.findall(self.pages["README.md"]))
        self.assertLessEqual(set(self.pages) - {"README.md"}, linked)

    def test_commands_and_their_options_exist(self):
        count = 0
        for name, text in self.pages.items():
            for words in calls(text, "millrace"):
                if not words or not re.fullmatch("[a-z]+|--[a-z]+", words[0]):
                    continue
                count += 1
                if words[0] in EVERYWHERE:
                    continue
                where = f"{name}: millrace {' '.join(words)}"
                self.assertIn(words[0], self.commands, where)
                options = {word for word in words if re.fullmatch("--[a-z][a-z-]*", word)}
                self.assertLessEqual(options, self.commands[words[0]], where)
        self.assertGreater(count, 50)

    def test_tests_that_are_named_exist(self):
        files = (path for path in (pages.SOURCE / "tests").rglob("*") if path.suffix in (".c", ".py"))
        defined = set(re.findall(r"(?:static void|def) (test_\w+)\(", "".join(path.read_text() for path in files)))
        named = {one for text in self.pages.values() for one in re.findall(r"`(test_\w+)`", text)}
        self.assertGreater(len(named), 20)
        self.assertEqual(set(), named - defined)

    def test_verbs_exist(self):
        for name, text in self.pages.items():
            for words in calls(text, r"\./run"):
                if words:
                    self.assertIn(words[0], self.verbs, f"{name}: ./run {' '.join(words)}")

    def test_each_limit_has_its_row_among_the_bounds(self):
        rows = re.findall(r"^X\(GAUGE, \w+, \"(\w+)\"", (pages.SOURCE / "worker/base/metrics.def").read_text(), re.M)
        bounds = self.pages["docs/scaling.md"].partition("\n## Bounds\n")[2].partition("\n## ")[0]
        told = re.findall(r"\| `(\w+)[^|]* \| `(\w+)[^|]* \|$", bounds, re.M)
        self.assertEqual({name for name in rows if name.endswith("_limit")}, {limit for _, limit in told})
        self.assertLessEqual({used for used, _ in told}, set(rows))

    def test_each_failure_code_has_its_row_with_sentence_and_remedy(self):
        rows = ERROR.findall((pages.SOURCE / "worker/base/error.def").read_text())
        source = (pages.SOURCE / "worker/base/error.def").read_text()
        self.assertEqual(len(re.findall(r"^X\(", source, re.MULTILINE)), len(rows))
        runbook = self.pages["docs/operations.md"]
        for code, _, sentence, remedy in rows:
            told = re.escape(f" | {literal(sentence)} | {literal(remedy)} |")
            row = re.compile(rf"^\| `{code}` \| [^|]+{told}$", re.MULTILINE)
            self.assertRegex(runbook, row, code)


if __name__ == "__main__":
    unittest.main(verbosity=2)
