"""Every format that is read becomes searchable, every other is skipped with its reason; and
`millrace extract` shows of one file what a worker reads.
"""

import json
import pathlib
import subprocess
import tempfile
import unittest

import harness
import office
import pdf
from make_demo import DEMO, ENCRYPTED, TENANT_A

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
HANDBOOK = f"users/{TENANT_A}/water-mill-handbook.pdf"
DONE, SOME_FAILED, USAGE = 0, 1, 2


def words(grain):
    return f"The {grain} mill of this story grinds {grain} from dawn to dusk and sells it by the sack."


READ = {  # name: (bytes, a sentence of it)
    "barley.txt": (f"Barley\n\n{words('barley')}\n".encode("utf-16"), words("barley")),
    "oats.md": (f"# Oats\n\n{words('oats').replace('mill', '**mill**')}\n".encode(), words("oats")),
    "rye.html": (f"<title>Rye</title><script>no()</script><p>{words('rye')}".encode(), words("rye")),
    "spelt.docx": (office.docx(["# Spelt", words("spelt")]), words("spelt")),
    "wheat.odt": (office.odt(["# Wheat", words("wheat")]), words("wheat")),
    "corn.pdf": (pdf.document([["# Corn", words("corn")]]), words("corn")),
}
SKIPPED = {"mill.png": (PNG, "image"), "all.zip": (office.container([("a", "b")]), "archive")}


class Formats(unittest.TestCase):
    def test_each_is_read_or_skipped_with_a_reason(self):
        with harness.open_world() as world:
            world.add_tenant(TENANT_A)
            for name, (data, _) in {**READ, **SKIPPED}.items():
                world.put(world.key(0, name), data)
            world.start_worker()
            world.settle(until=lambda: len(world.documents()) == len(READ) + len(SKIPPED))
            wanted = {world.key(0, name): ("success", None) for name in READ}
            wanted |= {world.key(0, name): ("skipped", code) for name, (_, code) in SKIPPED.items()}
            self.assertEqual(wanted, world.documents())
            self.assertEqual([], world.faults())
            texts = dict(world.query("select object_key, extracted_text from documents"))
            for name, (_, sentence) in READ.items():
                self.assertIn(sentence, " ".join(texts[world.key(0, name)].split()))
            ((processed, failed, status),) = world.query(
                "select sum(processed_count), sum(failed_count), min(status) from processing_jobs"
            )
            self.assertEqual((len(READ) + len(SKIPPED), 0, "completed"), (processed, failed, status))
            if world.kind == "dev":
                self.assert_found(world)
            world.check_workers()

    def assert_found(self, world):
        for name, (_, sentence) in READ.items():
            done = world.millrace("search", TENANT_A, sentence, "--json", "--top", "1")
            self.assertEqual(name, json.loads(done.stdout.splitlines()[0])["file"])


class Extract(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))

    def extract(self, data, *arguments, name="file", code=DONE, **settings):
        path = self.folder / name
        path.write_bytes(data)
        return self.run_one(path, *arguments, code=code, **settings)

    def run_one(self, *arguments, code=DONE, **settings):
        done = subprocess.run(
            [harness.BINARY, "extract", *map(str, arguments)],
            env=settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done

    def test_it_prints_pages_between_form_feeds(self):
        self.assertEqual("One.\n\nTwo.\fThree.\n", self.extract(b"One.\n\nTwo.\n\fThree.").stdout)
        text = self.run_one(DEMO / HANDBOOK).stdout
        self.assertEqual(3, text.count("\f"))
        self.assertIn("Dressing the millstones", " ".join(text.split()))

    def test_it_prints_json_for_programs(self):
        data = office.docx(["# Head", "A paragraph."])
        *pages, summary = map(json.loads, self.extract(data, "--json").stdout.splitlines())
        self.assertEqual("Head\n\nA paragraph.", pages[0]["text"])
        self.assertEqual([], pages[0]["flags"])
        self.assertEqual(
            [
                {"kind": "heading", "level": 1, "byte_start": 0, "byte_end": 4},
                {"kind": "paragraph", "byte_start": 6, "byte_end": 18},
            ],
            pages[0]["marks"],
        )
        self.assertEqual(("success", 1), (summary["outcome"], summary["pages"]))
        self.assertIn("wordprocessingml", summary["mime_type"])
        self.assertNotIn("limits", summary)

    def test_it_says_why_there_is_no_text(self):
        done = self.extract(PNG, code=SOME_FAILED)
        self.assertEqual("", done.stdout)
        self.assertIn("skipped: The file is an image. (a PNG image)\n  Run OCR", done.stderr)
        self.assertIn("a password", self.run_one(DEMO / ENCRYPTED, code=SOME_FAILED).stderr)
        done = self.run_one(DEMO / ENCRYPTED, "--json", code=SOME_FAILED)
        summary = json.loads(done.stdout)
        self.assertEqual(("failed", "needs_password"), (summary["outcome"], summary["code"]))
        self.assertIn("no bytes", self.extract(b"", code=SOME_FAILED).stderr)

    def test_it_says_which_limit_was_hit(self):
        def hit(data, **settings):
            done = self.extract(data, "--json", "--limits", code=SOME_FAILED, **settings)
            limits = json.loads(done.stdout.splitlines()[-1])["limits"]
            return [limit["name"] for limit in limits if limit["is_hit"]]

        self.assertEqual(["file"], hit(b"x" * 2000, MILLRACE_FILE_BYTES_MAX="1KiB"))
        self.assertEqual(["pages"], hit(b"a\fb\fc", MILLRACE_EXTRACT_PAGES_MAX="2"))
        table = self.extract(b"words", "--limits").stderr
        self.assertRegex(table, r"pages +1 of 20000 +pages +MILLRACE_EXTRACT_PAGES_MAX\n")
        self.assertNotIn("HIT", table)

    def test_it_refuses_what_is_no_file(self):
        self.assertIn("No such file", self.run_one(self.folder / "none", code=USAGE).stderr)
        self.assertIn("not a file", self.run_one(self.folder, code=USAGE).stderr)
        self.assertIn("needs one file", self.run_one(code=USAGE).stderr)
        self.assertIn("no option --what", self.run_one("--what", code=USAGE).stderr)


if __name__ == "__main__":
    harness.main()
