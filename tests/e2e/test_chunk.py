"""`millrace chunk` shows how a worker cuts a file: ranges of the text that `millrace extract` shows."""

import json
import pathlib
import subprocess
import tempfile
import unittest

import harness
from make_demo import DEMO, ENCRYPTED, TENANT_A

HANDBOOK = DEMO / f"users/{TENANT_A}/water-mill-handbook.pdf"
DONE, SOME_FAILED, USAGE = 0, 1, 2
FIELDS = ["chunk_no", "page_first", "page_last", "char_start", "char_end", "heading", "token_count", "content"]
PROSE = " ".join(f"The mill number {i} grinds rye. It stands by the river." for i in range(200))


class Chunk(unittest.TestCase):
    def run_one(self, command, *arguments, code=DONE, **settings):
        done = subprocess.run(
            [harness.BINARY, command, *map(str, arguments)],
            env=settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done

    def chunks(self, *arguments, **settings):
        done = self.run_one("chunk", *arguments, "--json", **settings)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def prose(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder) / "prose.txt"
        path.write_text(PROSE)
        return path

    def test_chunks_are_ranges_of_the_text(self):
        pages = map(json.loads, self.run_one("extract", HANDBOOK, "--json").stdout.splitlines())
        text = "\f".join(page["text"] for page in pages if "text" in page)
        chunks = self.chunks(HANDBOOK, MILLRACE_CHUNK_TOKENS="60", MILLRACE_CHUNK_TOKENS_MIN="20")
        self.assertGreater(len(chunks), 4)
        at = 0
        for no, chunk in enumerate(chunks):
            self.assertEqual(FIELDS, list(chunk))
            self.assertEqual(no, chunk["chunk_no"])
            self.assertEqual("", text[at : chunk["char_start"]].strip())
            self.assertEqual(chunk["content"], text[chunk["char_start"] : chunk["char_end"]])
            self.assertEqual(1 + text.count("\f", 0, chunk["char_start"]), chunk["page_first"])
            self.assertEqual(1 + text.count("\f", 0, chunk["char_end"]), chunk["page_last"])
            at = chunk["char_end"]
        self.assertEqual("", text[at:].strip())

    def test_it_prints_for_people(self):
        done = self.run_one("chunk", self.prose())
        self.assertRegex(done.stdout, r"(?m)^#0  page 1  characters 0-\d+  \d+ tokens")
        self.assertRegex(done.stderr, r"\d+ chunks, \d+ tokens \(cl100k_base\), \d pages, 0 of them left out")

    def test_the_configuration_decides(self):
        path = self.prose()
        sizes = [chunk["token_count"] for chunk in self.chunks(path)]
        self.assertTrue(all(100 <= size <= 512 for size in sizes), sizes)
        large = self.chunks(path, MILLRACE_CHUNK_TOKENS="2000", MILLRACE_CHUNK_TOKENS_MAX="4000")
        self.assertLess(len(large), len(sizes))
        first, second, *_ = self.chunks(path, MILLRACE_CHUNK_OVERLAP="60")
        self.assertLess(second["char_start"], first["char_end"])
        self.assertTrue(second["content"].startswith(("The mill", "It stands")), second["content"])
        (counted, *_) = self.chunks(path, OPENAI_EMBEDDING_MODEL="bge-large")
        self.assertEqual(len(counted["content"]), counted["token_count"])

    def test_it_says_what_it_cannot_do(self):
        self.assertIn("a password", self.run_one("chunk", DEMO / ENCRYPTED, code=SOME_FAILED).stderr)
        self.assertIn("No such file", self.run_one("chunk", "none", code=USAGE).stderr)
        self.assertIn("needs one file", self.run_one("chunk", code=USAGE).stderr)
        settings = {"MILLRACE_CHUNK_OVERLAP": "200"}
        self.assertIn("at most half", self.run_one("chunk", HANDBOOK, code=USAGE, **settings).stderr)


if __name__ == "__main__":
    unittest.main()
