"""The fakes keep the vendors' rules and misbehave as told. Needs nothing but Python."""

import base64
import http.client
import json
import pathlib
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from fakes import vectors  # noqa: E402
from fakes.filters import matches  # noqa: E402
from fakes.server import Server  # noqa: E402

DIMENSION = 64
NAMESPACE = "user_" + "0123456789abcdef" * 2
KEYS = {
    "Authorization": "Bearer sk-test",
    "Api-Key": "pc-test",
    "X-Pinecone-Api-Version": "2026-04",
    "Content-Type": "application/json",
}


class FakesTest(unittest.TestCase):
    def setUp(self):
        self.server = Server(dimension=DIMENSION)
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.server_port, timeout=10
        )

    def tearDown(self):
        self.connection.close()
        self.server.shutdown()
        self.server.server_close()

    def call(self, method, path, body=None, headers=None):
        """Answers (status, parsed body, headers)."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        self.connection.request(method, path, data, KEYS if headers is None else headers)
        reply = self.connection.getresponse()
        raw = reply.read()
        return (
            reply.status,
            json.loads(raw) if reply.headers["Content-Type"] == "application/json" else raw,
            reply.headers,
        )

    def embed(self, texts, **more):
        return self.call(
            "POST", "/v1/embeddings", {"model": "text-embedding-3-large", "input": texts, **more}
        )

    def upsert(self, *rows, namespace=NAMESPACE):
        return self.call("POST", "/vectors/upsert", {"namespace": namespace, "vectors": list(rows)})

    def row(self, name, text, **metadata):
        return {
            "id": name,
            "values": list(vectors.floats(vectors.vector(text, DIMENSION))),
            "metadata": metadata,
        }

    def known_row(self, name, text, **metadata):
        self.assertEqual(200, self.embed([text])[0])
        return self.row(name, text, **metadata)

    def violations(self):
        return self.call("GET", "/_state")[1]["violations"]

    def faults(self, **lanes):
        self.assertEqual(200, self.call("POST", "/_faults", lanes)[0])


class Embeddings(FakesTest):
    def test_base64_and_floats_say_the_same(self):
        packed = self.embed(["one", "two"], encoding_format="base64")[1]["data"]
        plain = self.embed(["one", "two"])[1]["data"]
        for index in (0, 1):
            decoded = struct.unpack(f"<{DIMENSION}f", base64.b64decode(packed[index]["embedding"]))
            self.assertEqual(list(decoded), plain[index]["embedding"])
            self.assertAlmostEqual(1.0, vectors.dot(decoded, decoded), places=5)
        self.assertEqual([], self.violations())

    def test_texts_that_share_words_lie_closer(self):
        mill, wheel, bees = (
            vectors.floats(vectors.vector(text, 3072))
            for text in (
                "how to sharpen the millstones of a water mill",
                "sharpen the stones of the mill with the mill bill",
                "Schwarm und Königin im Bienenstock",
            )
        )
        self.assertGreater(vectors.dot(mill, wheel), vectors.dot(mill, bees) + 0.1)

    def test_refuses_what_the_vendor_refuses(self):
        refused = [
            ["" for _ in range(1)],
            [],
            ["a"] * 2049,
            [1, 2],
            ["x" * 1000] * 1201,
            ["word " * 9000],
            ["\ud800"],
        ]
        for texts in refused:
            status, body, _ = self.embed(texts)
            self.assertEqual(400, status, texts[:1])
            self.assertEqual({"message", "type", "param", "code"}, set(body["error"]))
        self.assertEqual(400, self.embed(["a"], colour="red")[0])
        self.assertEqual(400, self.embed(["a"], encoding_format="hex")[0])
        self.assertEqual(400, self.call("POST", "/v1/embeddings", b'{"model":"m","input":NaN}')[0])
        self.assertEqual(len(refused) + 3, len(self.violations()))

    def test_a_sum_over_300_000_tokens_has_its_own_code(self):
        error = self.embed(["x" * 1000] * 1201)[1]["error"]
        self.assertEqual(
            ("max_tokens_per_request", "max_tokens_per_request"), (error["type"], error["code"])
        )

    def test_largest_legal_requests_pass(self):
        self.assertEqual(200, self.embed(["a"] * 2048, encoding_format="base64")[0])
        self.assertEqual(200, self.embed(["word " * 8190])[0])
        self.assertEqual([], self.violations())

    def test_a_wrong_key_is_refused_and_is_no_violation(self):
        self.assertEqual(
            401, self.call("POST", "/v1/embeddings", {"model": "m", "input": "a"}, {})[0]
        )
        self.assertEqual([], self.violations())

    def test_another_width_than_the_tests_use_is_a_violation(self):
        self.assertEqual(200, self.embed(["a"], dimensions=32)[0])
        self.assertEqual(1, len(self.violations()))


class Pinecone(FakesTest):
    def test_what_was_upserted_is_found_listed_and_fetched(self):
        rows = [
            self.known_row(f"doc#a#{n}", text, n=n)
            for n, text in enumerate(("mill wheel water", "bees and honey", "night train"))
        ]
        self.assertEqual({"upsertedCount": 3}, self.upsert(*rows)[1])
        asked = list(vectors.floats(vectors.vector("honey of the bees", DIMENSION)))
        found = self.call(
            "POST",
            "/query",
            {"namespace": NAMESPACE, "topK": 2, "vector": asked, "includeMetadata": True},
        )[1]["matches"]
        self.assertEqual(("doc#a#1", {"n": 1}), (found[0]["id"], found[0]["metadata"]))
        self.assertEqual(2, len(found))
        fetched = self.call(
            "GET", f"/vectors/fetch?namespace={NAMESPACE}&ids=doc%23a%230&ids=doc%23a%239"
        )[1]["vectors"]
        self.assertEqual(
            {"doc#a#0": rows[0]["values"]},
            {name: vector["values"] for name, vector in fetched.items()},
        )
        stats = self.call("POST", "/describe_index_stats", {})[1]
        self.assertEqual(
            (3, DIMENSION), (stats["namespaces"][NAMESPACE]["vectorCount"], stats["dimension"])
        )
        self.assertEqual([], self.violations())

    def test_a_list_comes_in_sorted_pages_of_one_prefix(self):
        text = self.known_row("doc#b#0", "text")
        self.upsert(*[{**text, "id": f"doc#a#{n}"} for n in range(7)], text)
        ids, token = [], ""
        while token is not None:
            more = f"&paginationToken={token}" if token else ""
            page = self.call(
                "GET", f"/vectors/list?namespace={NAMESPACE}&prefix=doc%23a%23&limit=3{more}"
            )[1]
            ids += [vector["id"] for vector in page["vectors"]]
            token = page.get("pagination", {}).get("next")
        self.assertEqual([f"doc#a#{n}" for n in range(7)], ids)

    def test_deletes_by_ids_by_filter_and_all(self):
        self.upsert(
            *[
                self.known_row(f"d#{n}", f"text {n}", gen="a" if n < 2 else "b", n=n)
                for n in range(5)
            ]
        )

        def delete(**way):
            return self.call("POST", "/vectors/delete", {"namespace": NAMESPACE, **way})[0]

        self.assertEqual(200, delete(ids=["d#0", "d#99"]))
        self.assertEqual(200, delete(filter={"gen": {"$eq": "b"}, "n": {"$gte": 3}}))
        self.assertEqual(
            ["d#1", "d#2"], sorted(self.call("GET", "/_state")[1]["namespaces"][NAMESPACE])
        )
        self.assertEqual(400, delete(ids=["d#1"], deleteAll=True))
        self.assertEqual(400, delete(ids=[]))
        self.assertEqual(400, delete(filter={}))
        self.assertEqual(200, delete(deleteAll=True))
        self.assertEqual(404, delete(ids=["d#1"]))

    def test_refuses_what_the_vendor_refuses_and_stores_nothing_of_it(self):
        good, wide = self.known_row("d#0", "text"), [0.1] * (DIMENSION + 1)
        bad = [
            {"id": "ä"},
            {"id": ""},
            {"id": "x" * 513},
            {"values": wide},
            {"values": [0.0] * DIMENSION},
            {"values": ["1"] * DIMENSION},
            {"values": [1e39] + [0.1] * (DIMENSION - 1)},
            {"metadata": {"a": None}},
            {"metadata": {"a": {"b": 1}}},
            {"metadata": {"$a": 1}},
            {"metadata": {"a": [1]}},
            {"metadata": {"text": "x" * 40_960}},
            {"colour": 1},
        ]
        for change in bad:
            self.assertEqual(
                400, self.upsert(self.row("d#1", "text"), {**good, **change})[0], change
            )
        self.assertEqual(400, self.upsert()[0])
        self.assertEqual(400, self.upsert(*[{**good, "id": str(n)} for n in range(1001)])[0])
        self.assertEqual(400, self.upsert(good, good)[0])
        for name in ("", None, "somebody", "user_0123"):
            self.assertEqual(400, self.upsert(good, namespace=name)[0])
        fat = {**good, "metadata": {"text": "x" * 40_000}}
        self.assertEqual(400, self.upsert(*[{**fat, "id": str(n)} for n in range(50)])[0])
        self.assertEqual({}, self.call("GET", "/_state")[1]["namespaces"])
        self.assertEqual(len(bad) + 8, len(self.violations()))

    def test_a_vector_the_embedder_never_made_is_a_violation(self):
        row = self.known_row("d#0", "text")
        self.assertEqual(
            200, self.upsert({**row, "values": [row["values"][0] + 1e-6, *row["values"][1:]]})[0]
        )
        self.assertEqual(1, len(self.violations()))

    def test_a_wrong_key_is_refused_in_plain_text(self):
        self.assertEqual((401, b"Invalid API Key"), self.call("POST", "/query", {}, {})[:2])

    def test_filters_know_the_vendors_operators(self):
        row = {"gen": "a", "n": 3, "tags": ["x", "y"], "flag": True}
        for condition in (
            {"gen": "a"},
            {"tags": "x"},
            {"n": {"$in": [1, 3]}},
            {"n": {"$gt": 2, "$lt": 4}},
            {"flag": True},
            {"$or": [{"gen": "b"}, {"n": 3}]},
            {"$and": [{"gen": "a"}, {"n": {"$ne": 4}}]},
            {"no": {"$exists": False}},
        ):
            self.assertTrue(matches(condition, row), condition)
        for condition in (
            {"gen": "b"},
            {"n": {"$nin": [3]}},
            {"n": {"$lte": 2}},
            {"n": True},
            {"$and": [{"gen": "a"}, {"n": 4}]},
        ):
            self.assertFalse(matches(condition, row), condition)


class Faults(FakesTest):
    def test_a_script_is_played_in_order_then_all_is_well(self):
        self.faults(embed={"script": ["429", "ok", "quota", "500"]})
        self.assertEqual([429, 200, 429, 500, 200], [self.embed(["a"])[0] for _ in range(5)])

    def test_429_comes_with_and_without_a_time(self):
        self.faults(embed={"script": ["429", "429_bare"]}, store={"script": ["429_text"]})
        self.assertEqual("1", self.embed(["a"])[2]["Retry-After"])
        self.assertIsNone(self.embed(["a"])[2]["Retry-After"])
        self.assertEqual((429, b"Too Many Requests"), self.call("POST", "/query", {})[:2])

    def test_a_swallowed_upsert_has_happened_and_a_dropped_one_has_not(self):
        row = self.known_row("d#0", "text")
        self.faults(store={"script": ["drop", "swallow"]})
        for stored in ({}, {NAMESPACE: 1}):
            with self.assertRaises((http.client.HTTPException, OSError)):
                self.upsert(row)
            self.connection.close()
            held = self.call("GET", "/_state")[1]["namespaces"]
            self.assertEqual(stored, {name: len(ids) for name, ids in held.items()})

    def test_a_late_upsert_happens_after_its_connection_was_dropped(self):
        row = self.known_row("d#0", "text")
        self.faults(store={"script": ["late"], "late_s": 0.5})
        with self.assertRaises((http.client.HTTPException, OSError)):
            self.upsert(row)
        self.connection.close()
        self.assertEqual({}, self.call("GET", "/_state")[1]["namespaces"])
        end = time.monotonic() + 5
        while not self.call("GET", "/_state")[1]["namespaces"]:
            self.assertLess(time.monotonic(), end)

    def test_a_truncated_reply_ends_before_its_length(self):
        self.faults(embed={"script": ["truncate"]})
        with self.assertRaises(http.client.IncompleteRead):
            self.embed(["a"])
        self.connection.close()

    def test_damaged_replies(self):
        texts = ["one", "two", "three"]

        def reply(kind):
            self.faults(embed={"script": [kind]})
            return self.embed(texts, encoding_format="base64")[1]["data"]

        self.assertEqual(2, len(reply("short")))
        self.assertEqual([], reply("empty"))
        self.assertEqual([2, 1, 0], [row["index"] for row in reply("shuffle")])
        self.assertEqual([0, 0, 0], [row["index"] for row in reply("double_index")])
        self.assertEqual(DIMENSION, len(base64.b64decode(reply("quarter")[0]["embedding"])))
        self.assertNotEqual(
            *[struct.unpack("<f", base64.b64decode(reply("nan")[0]["embedding"])[:4])[0]] * 2
        )
        self.assertEqual(bytes(4 * DIMENSION), base64.b64decode(reply("zero")[0]["embedding"]))
        self.assertIsInstance(reply("floats")[0]["embedding"], list)
        self.faults(embed={"script": ["garbage"]})
        self.assertEqual("text/html", self.embed(texts)[2]["Content-Type"])

    def test_a_misspelt_fault_is_refused(self):
        self.assertEqual(400, self.call("POST", "/_faults", {"embed": {"429s": 1}})[0])
        self.assertEqual(400, self.call("POST", "/_faults", {"store": {"script": ["nan"]}})[0])
        self.assertEqual(400, self.call("POST", "/_faults", {"shop": {}})[0])

    def test_reset_forgets_everything(self):
        self.upsert(self.known_row("d#0", "text"))
        self.embed([])
        self.assertEqual(200, self.call("POST", "/_reset")[0])
        state = self.call("GET", "/_state")[1]
        self.assertEqual(
            (0, {}, {}), (state["violation_count"], state["namespaces"], state["stats"])
        )


if __name__ == "__main__":
    unittest.main()
