"""A real Prometheus scrapes a real worker: every panel's query answers, the rules load, promtool
takes /metrics; every statement of the other dashboard runs on the tables that the worker wrote.
"""

import json
import pathlib
import subprocess
import sys
import time
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
for folder in (HERE.parent / "e2e", HERE):
    sys.path.insert(0, str(folder))

import boards  # noqa: E402
import harness  # noqa: E402
import pdf  # noqa: E402
import psycopg  # noqa: E402
import topic  # noqa: E402
from services import common  # noqa: E402
from services.prometheus import Prometheus  # noqa: E402

# Nothing of the kind happened: no series is right.
MAY_BE_EMPTY = {"Failures by code", "Tries again by code"}
FILES, SCRAPED_S = 8, 60


def listening_at(log):
    """Where a worker's operations port is, as it says itself."""
    for line in log.read_text().splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("event") == "listening":
            return f"127.0.0.1:{said['port']}"
    return None


class Watching(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prometheus = Prometheus()
        if cls.prometheus.why_not():
            raise common.Unavailable(cls.prometheus.why_not())
        cls.world = cls.enterClassContext(harness.open_world())
        tenant = cls.world.add_tenant()
        cls.world.start_worker()
        cls.world.wait_for(lambda: listening_at(cls.world.logs[0]), 30)
        cls.address = listening_at(cls.world.logs[0])
        cls.prometheus.spawn(cls.world.run_dir)
        cls.prometheus.start([cls.address], boards.ALERTS)
        cls.addClassCleanup(cls.prometheus.stop)
        cls.wait_for_samples("up == 1")  # before anything is counted
        for i in range(FILES):
            pages = [[f"# Part {n}", f"What file {i} says on page {n}."] for n in range(3)]
            cls.world.put(f"users/{tenant}/{i}.pdf", pdf.document(pages))
        cls.world.put(f"users/{tenant}/bad.pdf", b"%PDF-1.4 and nothing more")
        cls.world.settle(until=lambda: len(cls.world.documents()) == FILES + 1)
        cls.wait_for_samples(f"sum(millrace_documents_total) == {FILES + 1}")

    @classmethod
    def wait_for_samples(cls, query):
        end = time.monotonic() + SCRAPED_S
        while not cls.prometheus.ask("query", query=query)["result"]:
            assert time.monotonic() < end, f"Prometheus never saw {query}"
            time.sleep(harness.PAUSE_S)

    def test_every_panel_has_an_answer(self):
        for panel, target in boards.targets("operator"):
            with self.subTest(panel):
                answer = self.prometheus.ask("query", query=boards.promql(target))
                if panel not in MAY_BE_EMPTY:
                    self.assertTrue(answer["result"], target["expr"])

    def test_the_figures_are_those_of_the_tables(self):
        (outcomes,) = [
            self.prometheus.ask("query", query="sum by (outcome) (millrace_documents_total)")["result"]
        ]
        counts = {each["metric"]["outcome"]: int(each["value"][1]) for each in outcomes}
        self.assertEqual(
            (FILES, 1), (counts["success"], counts["failed"]), "one was no PDF; each counts once"
        )

    def test_the_rules_load_and_none_fires(self):
        groups = self.prometheus.ask("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertEqual({"ok"}, {rule["health"] for rule in rules})
        self.assertEqual([], [rule["name"] for rule in rules if rule["state"] == "firing"])

    def test_promtool_takes_the_metrics(self):
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=10) as answer:
            text = answer.read()
        done = subprocess.run(
            [self.prometheus.promtool, "check", "metrics"], input=text, capture_output=True, check=False
        )
        self.assertEqual((0, b""), (done.returncode, done.stdout + done.stderr))

    def test_every_statement_runs_on_the_tables(self):
        with psycopg.connect(self.world.database(), autocommit=True) as connection:
            for panel, target in boards.targets("jobs"):
                with self.subTest(panel):
                    rows = connection.execute(boards.sql(target)).fetchall()
                    # All jobs have ended, and nothing is dead.
                    is_empty = panel in ("Jobs under way", "Dead letters by reason")
                    self.assertEqual(is_empty, not rows)

    def journal(self):
        """[(event, line)] of what happened to documents."""
        lines = [json.loads(line) for line in self.world.logs[0].read_text().splitlines() if line[:1] == "{"]
        return [(line["event"], line) for line in lines if line["event"].startswith("document_")]

    def test_each_change_of_state_is_a_line(self):
        changes = {}
        for event, line in self.journal():
            self.assertLessEqual({"document", "tenant", "job", "start"}, set(line), event)
            self.assertEqual(self.world.tenants[0], line["tenant"])
            if "trace" not in line:
                changes.setdefault(line["document"], []).append(event)
        documents = {str(row[0]) for row in self.world.query("select id from documents")}
        self.assertEqual({one: ["document_started", "document_finished"] for one in documents}, changes)

    def test_z_a_trace_is_followed_from_the_message(self):
        if self.world.kind != "real":
            self.skipTest("`dev` has no topic of others")
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        key = f"users/{self.world.tenants[0]}/0.pdf"
        etag, size = self.world.objects()[key]
        self.world.topic.send(
            topic.message(topic.notification(key, size=size, eTag=etag)),
            headers=[("traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())],
        )
        self.world.settle(until=lambda: any("trace" in line for _, line in self.journal()[-1:]))
        (started, finished) = [line for _, line in self.journal() if line.get("trace") == trace]
        self.assertEqual(started["document"], finished["document"])
        self.assertEqual("document_finished", finished["event"])


if __name__ == "__main__":
    harness.main()
