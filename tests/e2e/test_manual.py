"""The manual page: well-formed, and it tells every command, option and variable that --help tells."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("TEST_MILLRACE") or os.path.join(
    os.environ.get("TEST_BUILD_DIR", TESTS.parent / "build" / "dev"), "bin", "millrace"
)
if not shutil.which("mandoc") or not shutil.which("man"):
    print("SKIPPED: no mandoc or no man (apt-get install mandoc man-db)")
    sys.exit(77)


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def millrace(*arguments):
    done = run(BINARY, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Manual(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.path = os.path.join(folder, "millrace.1")
        pathlib.Path(cls.path).write_text(millrace("--man"))
        shown = run("mandoc", "-Tascii", cls.path, "-Owidth=400").stdout
        cls.text = re.sub(r".\x08", "", shown)
        cls.commands = re.findall(r"(?m)^  ([a-z]+)  ", millrace("--help"))

    def test_it_is_well_formed(self):
        lint = run("mandoc", "-Tlint", "-Wstyle", self.path)
        self.assertEqual((0, ""), (lint.returncode, lint.stdout + lint.stderr))
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
        rendered = run("man", "--warnings", "-l", self.path, env=environment)
        self.assertEqual((0, ""), (rendered.returncode, rendered.stderr))

    def test_every_command_is_in_it(self):
        self.assertLessEqual({"work", "submit", "search", "migrate"}, set(self.commands))
        for name in self.commands:
            self.assertIn(f"millrace {name}", self.text)

    def test_every_option_and_variable_is_in_it_with_its_help(self):
        for name in self.commands:
            help_text = millrace(name, "--help")
            self.assertLessEqual(max(map(len, help_text.splitlines())), 80, name)
            options = re.findall(r"(?m)^  (-\S+|[A-Z][A-Z0-9_.]+)", help_text)
            self.assertIn("--env-file", options)
            self.assertIn("DATABASE_URL", options)
            for option in options:
                self.assertRegex(self.text, rf"(?m)^\s+{re.escape(option)}\b", name)
            usage = help_text.split("\n\n")[0]
            for option in re.findall(r"--[a-z-]+", usage):
                self.assertIn(option, options, f"{name}: in its usage, but in no row")

    def test_exit_codes_are_in_it(self):
        codes = re.findall(r"(?m)^  +(\d+)  ", millrace("submit", "--help"))
        self.assertEqual(["0", "1", "2", "3", "4", "5", "6", "7", "70"], codes)
        for code in codes:
            self.assertRegex(self.text, rf"(?m)^\s+{code}\s")


if __name__ == "__main__":
    unittest.main(verbosity=2)
