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
import pdf  # noqa: E402

DEMO = TESTS / "fixtures" / "demo" / "users"
SECONDS = 120  # of a page; all of them take less on a quiet machine
TENANT = "7c9e6679-7425-40de-944b-e07fc1f90ae7"  # the one of docs/getting-started.md
TABLES_OF_TENANTS = """select table_name from information_schema.columns
    where table_schema = 'public' and column_name = 'user_id'"""
SHELL = """set -euo pipefail
stop() { for job in $(jobs -p); do kill $job; done; wait; }
trap stop EXIT
"""


class EmptyWorld(harness.RealWorld):
    """Services as somebody new has them: a topic and a bucket, and a database without a table."""

    def migrate(self):
        self.topic.send({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": harness.BUCKET})
        return subprocess.CompletedProcess([], 0, "", "")

    def shell_environment(self):
        return {
            **self.environment(),
            "PATH": f"{pathlib.Path(harness.BINARY).parent}:{os.environ['PATH']}",
            "HOME": str(self.run_dir),
            "TENANT": TENANT,
            "OWNER_URL": self.database(),
        }


def script(blocks):
    """Each block after a line that says where it stands, for the one that fails."""
    return SHELL + "\n".join(f"echo '--- {one.where}'\n{one.text}" for one in blocks)


def section(text, title):
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


class Blocks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if harness.WANTS_DEV:
            raise unittest.SkipTest("--dev")
        cls.world = cls.enterClassContext(EmptyWorld())
        cls.folder = pathlib.Path(cls.world.run_dir) / "page"
        shutil.copytree(DEMO / "a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11", cls.folder)
        cls.environment = cls.world.shell_environment()
        lines = (f"{key}={value}\n" for key, value in cls.world.settings.items())
        (cls.folder / ".env").write_text("".join(lines))

    def run_page(self, name, runnable, **more):
        log = pathlib.Path(self.world.run_dir) / "page.log"
        with open(log, "wb") as output:
            shell = subprocess.Popen(
                ["bash", "-c", script(runnable)],
                cwd=self.folder,
                env={**self.environment, **more},
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

    def test_what_is_forgotten_leaves_no_row(self):
        """After the pages, which make the tables: the runbook's steps for a tenant with a document."""
        world, page = self.world, "docs/operations.md"
        tenant = world.add_tenant()
        key, ask = world.key(-1, "secret.pdf"), "select 1 from documents where user_id = %s and "
        world.start_worker()
        world.put(key, pdf.document([["# Secret", "Nobody shall know. " * 40]]))
        world.wait_for(lambda: world.query(ask + "status = 'success'", tenant), SECONDS)
        steps = pages.blocks(page, section(pages.pages()[page], "Forgetting a tenant"))
        deactivate, rest = steps[:1], [block for block in steps[1:] if not block.why_not]
        self.run_page(page, deactivate, TENANT=tenant)
        world.delete(key)
        world.wait_for(lambda: world.query(ask + "deleted_at is not null", tenant), SECONDS)
        name = harness.namespace_of(tenant)
        world.wait_for(lambda: name not in world.store.load(None)[1], SECONDS)
        self.run_page(page, rest, TENANT=tenant)
        for (table,) in world.query(TABLES_OF_TENANTS):
            left = world.query(f"select count(*) from {table} where user_id = %s", tenant)
            self.assertEqual([(0,)], left, table)


if __name__ == "__main__":
    harness.main()
