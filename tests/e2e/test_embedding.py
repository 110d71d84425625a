"""What the embedding endpoint is asked for, and what is made of its refusals for money: by what the
endpoint itself has counted.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest
import urllib.request

import harness
import pdf

PRICE = 0.13  # of a million tokens


def page(number, word):
    return [f"# {word} {number}", f"This is what page {number} says about the {word}. " * 40]


def document(*pages):
    return pdf.document([page(number, word) for number, word in enumerate(pages)])


def open_real(test, **settings):
    if harness.WANTS_DEV:
        test.skipTest("--dev")
    try:
        return harness.RealWorld(**settings)
    except harness.common.Unavailable as why:
        return test.skipTest(str(why))


GROWING = ["anchor", "bellows", "crane", "derrick", "engine", "furnace"]
LONGER = [*GROWING, "gantry"]
CHANGED = ["anchor", "bellows", "hoist", *LONGER[3:]]


class Endpoint(unittest.TestCase):
    # -- known vectors: an unchanged chunk of an overwritten document is never paid for twice ------------------------
    def overwrite(self, words):
        """Answers how many texts were asked for."""
        live = "select gen from documents where gen is not null"
        before, gens = self.world.seen().get("embed_inputs", 0), self.world.query(live)
        self.world.put(self.key, document(*words))
        self.world.settle(until=lambda: self.world.query(live) not in ([], gens))
        return self.world.seen()["embed_inputs"] - before

    def hashes(self):
        rows = self.world.query(
            f'select content_hash from "{harness.namespace_of(self.tenant)}".chunks'
        )
        return {bytes(row[0]) for row in rows}

    def prove_known(self, *versions):
        self.tenant = self.world.add_tenant()
        self.key = self.world.key(0, "growing.pdf")
        self.world.start_worker()
        first = self.overwrite(GROWING)
        known = self.hashes()
        self.assertEqual(len(known), first)
        for words in versions:
            asked, hashes = self.overwrite(words), self.hashes()
            self.assertEqual(len(hashes - known), asked, words)
            self.assertTrue(0 < asked < first, (asked, first))
            ((metadata,),) = self.world.query("select processing_metadata from documents")
            self.assertEqual(len(hashes & known), metadata["chunks_known"])
            known = hashes

    def assert_the_bill_is_right(self):
        """Per document, job and tenant, against what the endpoint has charged."""
        charged = self.world.seen()["embed_tokens"]
        ((items, jobs, cost),) = self.world.query(
            "select (select sum(tokens_billed) from job_items),"
            " (select sum(tokens_billed) from processing_jobs), (select sum(price) from processing_jobs)"
        )
        ((tenant, tenants_cost),) = self.world.query(
            "select tokens_billed, price from tenant_usage where user_id = %s", self.tenant
        )
        self.assertEqual([charged] * 3, [items, jobs, tenant])
        self.assertAlmostEqual(charged * PRICE / 1e6, float(cost), 9)
        self.assertAlmostEqual(charged * PRICE / 1e6, float(tenants_cost), 9)

    # -- money: no document fails because an account is empty, and the work goes on when it is not -------------------
    def status(self):
        port = next(
            json.loads(line)["port"]
            for line in self.world.logs[0].read_text().splitlines()
            if '"listening"' in line
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status.json") as reply:
            (lane,) = [one for one in json.load(reply)["lanes"] if one["lane"] == "embeddings"]
            return lane

    def prove_money(self):
        log = self.world.logs[0]
        self.world.break_services(embed={"quota": 1.0})
        for number in range(6):
            self.world.put(self.world.key(0, f"{number}.pdf"), document("quay", f"pier{number}"))
        self.world.wait_for(lambda: '"embedding_parked"' in log.read_text(), 30)
        self.assertEqual(("parked", "billing"), (self.status()["state"], self.status()["error_code"]))
        refused = self.world.seen()["embed_status_429"]
        self.assertNotIn("failed", {status for status, _ in self.world.documents().values()})

        self.world.break_services()
        self.world.settle(until=lambda: len(self.world.documents()) == 7)
        self.assertEqual({("success", None)}, set(self.world.documents().values()))
        self.assertIn('"embedding_resumed"', log.read_text())
        self.assertEqual("open", self.status()["state"])
        self.assertLessEqual(self.world.seen()["embed_status_429"] - refused, 1)

    def test_known_vectors_and_money_over_pinecone(self):
        with open_real(self, dimension=256, MILLRACE_TOKEN_PRICE=str(PRICE)) as self.world:
            self.prove_known(LONGER, CHANGED)
            self.prove_money()
            self.assert_the_bill_is_right()
            self.assertEqual([], self.world.faults())

    def test_vectors_that_cannot_be_read_back_yet_are_made_anew(self):
        """A store of eventual consistency: what was written is not there for the next reader. It costs, and loses nothing."""
        with open_real(self, dimension=256) as self.world:
            self.tenant = self.world.add_tenant()
            self.key = self.world.key(0, "growing.pdf")
            self.world.start_worker()
            self.overwrite(GROWING)
            self.world.break_services(store={"unseen": 1.0})
            asked = self.overwrite(LONGER)
            self.assertEqual(len(self.hashes()), asked)
            self.assertGreater(self.world.seen()["store_fault_unseen"], 0)
            self.world.break_services()
            self.assertEqual([("success", None)], list(self.world.documents().values()))
            self.assertEqual([], self.world.faults())

    def test_known_vectors_over_pgvector(self):
        with open_real(
            self, dimension=256, VECTOR_STORE="pgvector", MILLRACE_TOKEN_PRICE=str(PRICE)
        ) as self.world:
            self.prove_known(CHANGED)
            self.assert_the_bill_is_right()
            self.assertEqual([], self.world.faults())


class Dev(unittest.TestCase):
    def test_dev_stages_vectors_as_what_they_become(self):
        """The column that workers of before wrote to stays empty: a constraint refuses it here."""
        try:
            stack = harness.Stack("pgvector", "postgres")
        except harness.common.Unavailable as why:
            self.skipTest(str(why))
        with stack, tempfile.TemporaryDirectory() as folder:
            environment = {
                "PATH": os.environ["PATH"],
                "XDG_STATE_HOME": str(stack.run / "state"),
                "DATABASE_URL": stack.postgres.url,
                "VECTOR_STORE": "pgvector",
                "MILLRACE_LISTEN": f"127.0.0.1:{harness.common.free_port()}",
            }
            self.run_one(environment, "migrate")
            with harness.psycopg.connect(stack.postgres.url) as connection:
                connection.execute("alter table staged_chunks add check (embedding is null)")
            pathlib.Path(folder, "pier.pdf").write_bytes(document("quay", "pier"))
            self.run_one(environment, "dev", folder, "--once", "--use", "postgres")
            with harness.psycopg.connect(stack.postgres.url) as connection:
                found = connection.execute("select status, error_code from documents").fetchall()
            self.assertEqual([("success", None)], found)

    def run_one(self, environment, *arguments):
        done = subprocess.run(
            [harness.BINARY, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


if __name__ == "__main__":
    harness.main()
