"""The fakes answer in the shapes of the vendors' own OpenAPI files, for requests of those shapes.
Needs python3-yaml and the corpus.
"""

import os
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
CORPUS = (
    pathlib.Path(os.environ.get("TEST_CORPUS") or ROOT.parent / "shared" / "corpus") / "openapi"
)
try:
    import yaml
except ImportError:
    print("SKIPPED: no YAML reader (apt-get install python3-yaml)")
    sys.exit(77)
if not CORPUS.is_dir():
    print(f"SKIPPED: no vendors' interface files in {CORPUS} (TEST_CORPUS names the folder)")
    sys.exit(77)

from fakes.schema import Specification  # noqa: E402
from fakes.test_fakes import DIMENSION, NAMESPACE, FakesTest  # noqa: E402

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def sections(path, *names):
    """Only the named parts of a file of three megabytes: `components/schemas` entries and paths, by their indentation."""
    kept, keep = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        depth = len(line) - len(line.lstrip())
        if line.strip() and depth == 0:
            keep = False
            if line.startswith(("paths:", "components:")):
                kept.append(line)
        elif line.rstrip() == "  schemas:":
            kept.append(line)
            keep = False
        elif line.strip() and (depth == 2 or depth == 4 and kept and "  schemas:" in kept):
            keep = line.strip().rstrip(":") in names
        if keep:
            kept.append(line)
    return Specification(yaml.load("\n".join(kept), LOADER))


class Checker(unittest.TestCase):
    SPECIFICATION = Specification({"s": {"N": {"type": "integer", "minimum": 1}}})

    def faults(self, value, schema):
        return self.SPECIFICATION.faults(value, schema)

    def test_accepts_what_conforms(self):
        schema = {
            "type": "object",
            "required": ["a"],
            "additionalProperties": False,
            "properties": {
                "a": {"type": "array", "maxItems": 2, "items": {"$ref": "#/s/N"}},
                "b": {"oneOf": [{"type": "string"}, {"$ref": "#/s/N"}]},
            },
        }
        self.assertEqual([], self.faults({"a": [1, 2], "b": "x"}, schema))

    def test_names_each_fault(self):
        schema = {
            "type": "object",
            "required": ["a"],
            "additionalProperties": False,
            "properties": {
                "b": {"type": "array", "maxItems": 1, "items": {"$ref": "#/s/N"}},
                "c": {"enum": ["x"]},
                "d": {"type": "integer"},
            },
        }
        faults = self.faults({"b": [0, 1], "c": "y", "d": True, "e": 1}, schema)
        self.assertEqual(
            [
                "$: a is missing",
                "$.b: 2 is above maxItems 1",
                "$.b[0]: 0 is below minimum 1",
                "$.c: 'y' is none of ['x']",
                "$.d: bool instead of integer",
                "$: e is not known",
            ],
            faults,
        )


class OpenAi(FakesTest):
    @classmethod
    def setUpClass(cls):
        cls.specification = sections(
            CORPUS / "openai" / "openapi.yaml",
            "/embeddings",
            "CreateEmbeddingRequest",
            "CreateEmbeddingResponse",
            "Embedding",
        )

    def test_requests_and_replies_conform(self):
        for request in (
            {"input": "one"},
            {
                "input": ["one", "two"],
                "dimensions": DIMENSION,
                "encoding_format": "float",
                "user": "u",
            },
        ):
            request["model"] = "text-embedding-3-large"
            self.assertEqual(
                [],
                self.specification.faults(
                    request, self.specification.request("POST", "/embeddings")
                ),
            )
            status, reply, _ = self.call("POST", "/v1/embeddings", request)
            self.assertEqual(
                [],
                self.specification.faults(
                    reply, self.specification.response("POST", "/embeddings", status)
                ),
            )
        self.assertEqual([], self.violations())

    def test_what_the_schema_forbids_is_refused(self):
        for request in (
            {"model": "m"},
            {"model": "m", "input": []},
            {"model": "m", "input": "a", "colour": 1},
            {"model": "m", "input": ["a"] * 2049},
            {"model": "m", "input": "a", "encoding_format": "hex"},
        ):
            self.assertNotEqual(
                [],
                self.specification.faults(
                    request, self.specification.request("POST", "/embeddings")
                ),
            )
            self.assertEqual(400, self.call("POST", "/v1/embeddings", request)[0])


class Vectors(FakesTest):
    @classmethod
    def setUpClass(cls):
        cls.specifications = {
            path.parent.name: Specification(yaml.load(path.read_text(encoding="utf-8"), LOADER))
            for path in sorted(CORPUS.glob("pinecone/*/db_data_*.oas.yaml"))
        }

    def exchange(self, method, path, request, status=200):
        """Checks both sides against every version of the vendor's file; the fake speaks all of them alike."""
        target = path + (
            "?" + "&".join(f"{name}={value}" for name, value in request) if method == "GET" else ""
        )
        got, reply, _ = self.call(method, target, None if method == "GET" else request)
        self.assertEqual(status, got, reply)
        for version, specification in self.specifications.items():
            if not specification.knows(path):
                continue  # younger than that version
            where = f"{method} {path} of {version}"
            if method == "GET":
                known = specification.parameters(method, path, "query")
                self.assertEqual([], [name for name, _ in request if name not in known], where)
            else:
                self.assertEqual(
                    [], specification.faults(request, specification.request(method, path)), where
                )
            self.assertEqual(
                [], specification.faults(reply, specification.response(method, path, status)), where
            )
        return reply

    def test_every_exchange_conforms_in_every_version(self):
        self.assertGreaterEqual(len(self.specifications), 3)
        row = self.known_row("d#0", "text", n=1, page="1")
        values = row["values"]
        self.exchange(
            "POST",
            "/vectors/upsert",
            {"namespace": NAMESPACE, "vectors": [row, {**row, "id": "d#1"}]},
        )
        self.exchange(
            "POST",
            "/query",
            {
                "namespace": NAMESPACE,
                "topK": 3,
                "vector": values,
                "includeMetadata": True,
                "includeValues": True,
                "filter": {"n": {"$eq": 1}},
            },
        )
        self.exchange(
            "GET", "/vectors/fetch", [("ids", "d%230"), ("ids", "d%239"), ("namespace", NAMESPACE)]
        )
        page = self.exchange(
            "GET", "/vectors/list", [("namespace", NAMESPACE), ("prefix", "d%23"), ("limit", "1")]
        )
        self.exchange(
            "GET",
            "/vectors/list",
            [("namespace", NAMESPACE), ("paginationToken", page["pagination"]["next"])],
        )
        self.exchange("POST", "/describe_index_stats", {})
        self.exchange("GET", "/namespaces", [("prefix", "user_"), ("limit", "1")])
        self.exchange("POST", "/vectors/delete", {"namespace": NAMESPACE, "ids": ["d#0"]})
        self.exchange("POST", "/vectors/delete", {"namespace": NAMESPACE, "filter": {"n": 1}})
        self.exchange("POST", "/vectors/delete", {"namespace": NAMESPACE, "deleteAll": True})
        self.assertEqual([], self.violations())

    def test_refusals_have_the_vendors_shape(self):
        self.exchange("POST", "/vectors/delete", {"namespace": NAMESPACE, "ids": ["d#0"]}, 404)
        self.exchange(
            "POST",
            "/vectors/upsert",
            {"namespace": NAMESPACE, "vectors": [{"id": "d", "values": [0.5]}]},
            400,
        )
        self.faults(store={"script": ["429", "500"]})
        self.exchange(
            "POST", "/query", {"namespace": NAMESPACE, "topK": 1, "vector": [0.1] * DIMENSION}, 429
        )
        self.exchange(
            "POST", "/query", {"namespace": NAMESPACE, "topK": 1, "vector": [0.1] * DIMENSION}, 500
        )


if __name__ == "__main__":
    unittest.main()
