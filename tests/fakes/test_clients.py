"""The vendors' own Python clients work with the fakes and break none of their rules.

Run by `serve.py clients fakes -- python3 tests/fakes/test_clients.py`; starts itself again
inside the clients' environment.
"""

import json
import os
import sys
import unittest
import urllib.request

if os.environ.get("TEST_CLIENTS_PYTHON") not in (None, sys.executable):
    os.execv(os.environ["TEST_CLIENTS_PYTHON"], [os.environ["TEST_CLIENTS_PYTHON"], *sys.argv])
sys.path.pop(0)  # this folder has a pinecone.py of its own
try:
    import openai
    import pinecone
except ImportError as why:
    print(f"SKIPPED: {why} (serve.py clients fakes -- … brings the vendors' clients)")
    sys.exit(77)

FAKES, DIMENSION = os.environ["TEST_FAKES_URL"], int(os.environ["TEST_DIMENSION"])
NAMESPACE = "user_" + "fedcba9876543210" * 2


def control(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(FAKES + path, data)) as reply:
        return json.load(reply)


class Clients(unittest.TestCase):
    def setUp(self):
        control("/_reset", {})
        self.embedder = openai.OpenAI(api_key="sk-test", base_url=os.environ["TEST_EMBED_URL"])
        self.index = pinecone.Pinecone(api_key="pc-test", host=FAKES).Index(host=FAKES)

    def embed(self, *texts):
        return [
            row.embedding
            for row in self.embedder.embeddings.create(
                model="text-embedding-3-large", input=list(texts)
            ).data
        ]

    def test_openai_embeds(self):
        one, two = self.embed("mill", "bees")
        self.assertEqual((DIMENSION, DIMENSION), (len(one), len(two)))
        self.assertAlmostEqual(1.0, sum(value * value for value in one), places=5)
        self.assertEqual(0, control("/_state")["violation_count"])

    def test_openai_waits_for_a_429_and_reports_a_refusal(self):
        control("/_faults", {"embed": {"script": ["429", "500"]}})
        self.assertEqual(DIMENSION, len(self.embed("mill")[0]))
        with self.assertRaises(openai.BadRequestError):
            self.embed("")

    def test_pinecone_upserts_queries_fetches_lists_and_deletes(self):
        values = self.embed("mill wheel", "honey bees", "night train")
        self.index.upsert(
            namespace=NAMESPACE,
            vectors=[
                {"id": f"d#{n}", "values": row, "metadata": {"n": n}}
                for n, row in enumerate(values)
            ],
        )
        found = self.index.query(
            namespace=NAMESPACE, vector=self.embed("bees")[0], top_k=1, include_metadata=True
        ).matches
        self.assertEqual(("d#1", 1), (found[0].id, found[0].metadata["n"]))
        fetched = self.index.fetch(namespace=NAMESPACE, ids=["d#0"]).vectors["d#0"]
        self.assertEqual(values[0], list(fetched.values))
        self.assertEqual(3, self.index.describe_index_stats().namespaces[NAMESPACE].vector_count)
        self.index.delete(namespace=NAMESPACE, ids=["d#0"])
        self.index.delete(namespace=NAMESPACE, filter={"n": {"$eq": 1}})
        state = control("/_state")
        self.assertEqual(
            (["d#2"], []), (sorted(state["namespaces"][NAMESPACE]), state["violations"])
        )


if __name__ == "__main__":
    unittest.main()
