"""Runs every block of shell of the pages that can run, page by page, each page in one shell, among
real services and from an empty database; those that cannot run say why, and are counted.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import pages

TESTS = pages.SOURCE / "tests"
sys.path.insert(0, str(TESTS / "e2e"))
import harness  # noqa: E402

DEMO = TESTS / "fixtures" / "demo" / "users"
SECONDS = 120  # of a page; all of them take less on a quiet machine
TENANT = "7c9e6679-7425-40de-944b-e07fc1f90ae7"  # the one of docs/getting-started.md
SHELL = "set -euo pipefail\nstop() { for job in $(jobs -p); do kill $job; done; wait; }\ntrap stop EXIT\n"


class EmptyWorld(harness.RealWorld):
    """Services as somebody new has them: a topic and a bucket, and a database without a table."""

    def migrate(self):
        self.topic.send({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": harness.BUCKET})
        return subprocess.CompletedProcess([], 0, "", "")

    def shell_environment(self):
        settings = {key: value for key, value in self.environment().items() if key != "NO_COLOR"}
        return {
            **settings,
            "PATH": f"{pathlib.Path(harness.BINARY).parent}:{os.environ['PATH']}",
            "HOME": str(self.run_dir),
            "NO_COLOR": "1",
            "TENANT": TENANT,
            "OWNER_URL": self.database(),
        }


def script(blocks):
    """Each block after a line that says where it stands, for the one that fails."""
    return SHELL + "\n".join(f"echo '--- {one.where}'\n{one.text}" for one in blocks)


class Blocks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if harness.WANTS_DEV:
            raise unittest.SkipTest("--dev")
        cls.world = cls.enterClassContext(EmptyWorld())
        cls.folder = pathlib.Path(cls.world.run_dir) / "page"
        shutil.copytree(DEMO / "a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11", cls.folder)
        cls.environment = cls.world.shell_environment()
        lines = (f"{key}={value}\n" for key, value in cls.environment.items() if key in cls.world.settings)
        (cls.folder / ".env").write_text("".join(lines))

    def run_page(self, name, runnable):
        log = pathlib.Path(self.world.run_dir) / "page.log"
        with open(log, "wb") as output:
            shell = subprocess.Popen(
                ["bash", "-c", script(runnable)],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                code = shell.wait(SECONDS)
            finally:
                shell.kill()
        self.assertEqual(0, code, f"{name}\n{log.read_text(errors='replace')}")
        self.assertEqual([], self.world.leaks(), name)

    def test_they_do_what_the_pages_say(self):
        count, left_out = 0, []
        for name, text in pages.pages().items():
            found = pages.blocks(name, text)
            runnable = [block for block in found if not block.why_not]
            left_out += [block for block in found if block.why_not]
            with self.subTest(name):
                if runnable:
                    self.run_page(name, runnable)
            count += len(runnable)
        for block in left_out:
            print(f"not run: {block.where}: {block.why_not}")
        print(f"{count} blocks run, {len(left_out)} not run", flush=True)
        self.assertGreater(count, 15)


if __name__ == "__main__":
    harness.main()
