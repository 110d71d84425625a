"""Pinecone's vectors data plane as the vendor answers it, with the vendor's limits. Knows nothing
of HTTP connections.
"""

import base64
import json
import math
import re
import threading
import urllib.parse

from . import vectors
from .filters import FilterError, matches
from .reply import Refused, Reply, gateway_page, parse

UPSERT_BYTES_MAX, VECTORS_MAX, METADATA_BYTES_MAX, ID_CHARS_MAX, RESULT_BYTES_MAX = (
    2_000_000,
    1000,
    40_960,
    512,
    4_000_000,
)
IDS_MAX, LIST_MAX, TOP_MAX, SMALLEST = 1000, 100, 10_000, 1e-8
NAMESPACE = re.compile(
    r"user_[0-9a-f]{32}"
)  # the vendor allows any name; a tenant's is always of this shape
ID = re.compile(r"[\x01-\x7f]{1,%d}" % ID_CHARS_MAX)
CODES = {400: 3, 401: 16, 404: 5, 429: 8, 500: 13, 503: 14}


def error(status, message, headers=()):
    return Reply(status, {"code": CODES[status], "message": message, "details": []}, headers)


def plain(status, message):
    return Reply(status, message.encode(), content_type="text/plain")


def early_fault(kind):
    return {
        "429": lambda: error(
            429,
            "Too many requests: upsert per second for namespace, limit 100.",
            {"Retry-After": "1"},
        ),
        "429_bare": lambda: error(429, "Too many requests"),
        "429_text": lambda: plain(429, "Too Many Requests"),
        "401": lambda: plain(401, "Invalid API Key"),
        "500": lambda: error(500, "Internal server error"),
        "503": lambda: error(503, "Service unavailable"),
    }.get(kind, lambda: None)()


class Vector:
    """Values that the embedder made are kept as their text alone; they are computed again when somebody asks."""

    __slots__ = ("text", "data", "dimension", "metadata")

    def __init__(self, data, text, metadata):
        self.text, self.metadata, self.dimension = text, metadata, len(data) // 4
        self.data = data if text is None else None

    def values(self):
        return vectors.floats(self.data or vectors.vector(self.text, self.dimension))


class Pinecone:
    def __init__(self, record, dimension, registry):
        self.record, self.dimension, self.registry = record, dimension, registry
        self.lock = threading.RLock()
        self.namespaces = {}
        self.routes = {
            ("POST", "/vectors/upsert"): self.upsert,
            ("POST", "/vectors/delete"): self.delete,
            ("POST", "/query"): self.query,
            ("GET", "/vectors/fetch"): self.fetch,
            ("GET", "/vectors/list"): self.list,
            ("GET", "/namespaces"): self.list_namespaces,
            ("POST", "/describe_index_stats"): self.stats,
        }

    # -- frame -------------------------------------------------------------------------------------------------------
    def refuse(self, message, status=400):
        self.record.violate(message)
        raise Refused(error(status, message))

    def answer(self, method, target, headers, raw, fault=None):
        path, _, query = target.partition("?")
        key = headers.get("Api-Key")
        if not key or key == "wrong":
            raise Refused(plain(401, "Invalid API Key"))
        if not re.fullmatch(r"\d{4}-\d{2}", headers.get("X-Pinecone-Api-Version") or ""):
            self.record.violate(f"{path}: no X-Pinecone-Api-Version header")
        route = self.routes.get((method, path))
        if not route:
            self.refuse(f"{method} {path} does not exist", 404)
        self.record.count("store" + path.replace("/", "_"))
        if method == "GET":
            request = urllib.parse.parse_qs(query, keep_blank_values=True, errors="strict")
        else:
            request = self.parse(path, raw)
        if fault == "unseen" and path == "/vectors/fetch":  # written, and not to be read back yet
            name = self.namespace(path, self.single(request, "namespace"))
            return Reply(200, {"vectors": {}, "namespace": name, "usage": {"readUnits": 1}})
        reply = route(request, raw)
        return gateway_page() if fault == "garbage" else reply

    def parse(self, path, raw):
        try:
            request = parse(raw)
        except ValueError as why:
            self.refuse(f"{path}: the body is not JSON: {why}")
        if not isinstance(request, dict):
            self.refuse(f"{path}: the body is not an object")
        return request

    def allow(self, path, request, fields):
        if set(request) - set(fields):
            self.refuse(f"{path}: unknown fields {sorted(set(request) - set(fields))}")

    def namespace(self, path, name):
        if not isinstance(name, str) or not NAMESPACE.fullmatch(name):
            self.refuse(f"{path}: namespace {name!r} is not a tenant's")
        return name

    def check_ids(self, path, ids):
        if not isinstance(ids, list) or not 1 <= len(ids) <= IDS_MAX:
            self.refuse(f"{path}: 1 to {IDS_MAX} ids are allowed")
        for one in ids:
            if not isinstance(one, str) or not ID.fullmatch(one):
                self.refuse(f"{path}: id {one!r} is not 1 to {ID_CHARS_MAX} ASCII characters")
        return ids

    # -- writes ------------------------------------------------------------------------------------------------------
    def upsert(self, request, raw):
        path = "/vectors/upsert"
        self.allow(path, request, ("vectors", "namespace"))
        name = self.namespace(path, request.get("namespace"))
        if len(raw) > UPSERT_BYTES_MAX:
            self.refuse(f"{path}: {len(raw)} bytes exceed the limit of {UPSERT_BYTES_MAX}")
        rows = request.get("vectors")
        if not isinstance(rows, list) or not 1 <= len(rows) <= VECTORS_MAX:
            self.refuse(f"{path}: 1 to {VECTORS_MAX} vectors are allowed")
        made = dict(self.check_vector(path, row) for row in rows)
        if len(made) != len(rows):
            self.refuse(f"{path}: an id occurs twice")
        self.record.peak("upsert_bytes", len(raw))
        self.record.peak("upsert_vectors", len(rows))

        def act():
            with self.lock:
                self.namespaces.setdefault(name, {}).update(made)
            self.record.count("store_upserted", len(made))

        return Reply(200, {"upsertedCount": len(made)}, {"x-pinecone-request-lsn": "1"}, act)

    def check_vector(self, path, row):
        if not isinstance(row, dict) or set(row) - {"id", "values", "metadata"}:
            self.refuse(f"{path}: a vector has id, values and metadata, not {sorted(row)[:8]}")
        (one,) = self.check_ids(path, [row.get("id")])
        values = row.get("values")
        if not isinstance(values, list) or set(map(type, values)) - {int, float}:
            self.refuse(f"{path}: values of {one} are not numbers")
        if len(values) != self.dimension:
            self.refuse(
                f"{path}: Vector dimension {len(values)} does not match the dimension of the index {self.dimension}"
            )
        try:
            data = vectors.array.array("f", values)
        except OverflowError:
            self.refuse(f"{path}: a value of {one} is too large")
        if not math.isfinite(sum(data)):
            self.refuse(f"{path}: a value of {one} is not finite")
        if max(max(data), -min(data)) < SMALLEST:
            self.refuse(f"{path}: Dense vectors must contain at least one non-zero value ({one})")
        metadata = row.get("metadata", {})
        self.check_metadata(path, one, metadata)
        text = self.registry.get(vectors.key(data.tobytes()))
        if text is None:
            self.record.violate(
                f"{path}: {one} is not a vector the embedder made (a value changed, or another's)"
            )
        return one, Vector(data.tobytes(), text, metadata)

    def check_metadata(self, path, one, metadata):
        if not isinstance(metadata, dict):
            self.refuse(f"{path}: metadata of {one} is not an object")
        if (
            len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
            > METADATA_BYTES_MAX
        ):
            self.refuse(f"{path}: metadata of {one} exceeds {METADATA_BYTES_MAX} bytes")
        for name, value in metadata.items():
            is_list = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
            if name.startswith("$") or not (is_list or isinstance(value, (str, bool, int, float))):
                self.refuse(
                    f"{path}: metadata field {name!r} of {one}: strings, numbers, booleans, lists of strings only"
                )

    def delete(self, request, raw):
        path = "/vectors/delete"
        self.allow(path, request, ("ids", "deleteAll", "namespace", "filter"))
        name = self.namespace(path, request.get("namespace"))
        ways = [way for way in ("ids", "filter") if way in request] + (
            ["deleteAll"] if request.get("deleteAll") else []
        )
        if len(ways) != 1:
            self.refuse(f"{path}: exactly one of ids, filter, deleteAll is needed, not {ways}")
        if ways == ["ids"]:
            self.check_ids(path, request["ids"])
        if ways == ["filter"]:
            self.try_filter(path, request["filter"])
        if name not in self.namespaces:
            return error(404, "Namespace not found")
        return Reply(200, {}, act=lambda: self.apply_delete(name, ways[0], request))

    def apply_delete(self, name, way, request):
        with self.lock:
            held = self.namespaces.get(name, {})
            if way == "deleteAll":
                self.namespaces.pop(name, None)
                return
            gone = (
                request["ids"]
                if way == "ids"
                else [
                    one
                    for one, vector in held.items()
                    if matches(request["filter"], vector.metadata)
                ]
            )
            for one in gone:
                held.pop(one, None)
        self.record.count("store_deleted", len(gone))

    def try_filter(self, path, condition):
        try:
            if not isinstance(condition, dict) or not condition:
                raise FilterError("a filter is a non-empty object")
            matches(condition, {})
        except FilterError as why:
            self.refuse(f"{path}: {why}")

    # -- reads -------------------------------------------------------------------------------------------------------
    def query(self, request, raw):
        path = "/query"
        self.allow(
            path,
            request,
            ("namespace", "topK", "filter", "includeValues", "includeMetadata", "vector", "id"),
        )
        name = self.namespace(path, request.get("namespace"))
        top = request.get("topK")
        if not isinstance(top, int) or not 1 <= top <= TOP_MAX:
            self.refuse(f"{path}: topK {top!r} is not 1 to {TOP_MAX}")
        if ("vector" in request) == ("id" in request):
            self.refuse(f"{path}: exactly one of vector and id is needed")
        if "filter" in request:
            self.try_filter(path, request["filter"])
        held = self.held(name)
        if "id" in request:
            target = held[request["id"]].values() if request["id"] in held else None
        else:
            target = self.query_vector(path, request["vector"])
        scored = (
            []
            if target is None
            else sorted(
                (
                    (vectors.dot(vector.values(), target), one)
                    for one, vector in held.items()
                    if matches(request.get("filter") or {}, vector.metadata)
                ),
                key=lambda pair: (-pair[0], pair[1]),
            )[:top]
        )
        found = [
            {
                "id": one,
                "score": score,
                "values": list(held[one].values()) if request.get("includeValues") else [],
                **({"metadata": held[one].metadata} if request.get("includeMetadata") else {}),
            }
            for score, one in scored
        ]
        reply = Reply(200, {"matches": found, "namespace": name, "usage": {"readUnits": 1}})
        if len(reply.body) > RESULT_BYTES_MAX:
            self.refuse(f"{path}: the result exceeds {RESULT_BYTES_MAX} bytes")
        return reply

    def query_vector(self, path, values):
        if (
            not isinstance(values, list)
            or set(map(type, values)) - {int, float}
            or len(values) != self.dimension
        ):
            self.refuse(f"{path}: the query vector is not {self.dimension} numbers")
        return values

    def held(self, name):
        with self.lock:
            return dict(self.namespaces.get(name, {}))

    def single(self, request, name, default=""):
        return (request.get(name) or [default])[0]

    def fetch(self, request, raw):
        self.allow("/vectors/fetch", request, ("ids", "namespace"))
        name = self.namespace("/vectors/fetch", self.single(request, "namespace"))
        ids, held = self.check_ids("/vectors/fetch", request.get("ids")), self.held(name)
        found = {
            one: {"id": one, "values": list(held[one].values()), "metadata": held[one].metadata}
            for one in ids
            if one in held
        }
        return Reply(200, {"vectors": found, "namespace": name, "usage": {"readUnits": 1}})

    def list(self, request, raw):
        path = "/vectors/list"
        self.allow(path, request, ("namespace", "prefix", "limit", "paginationToken"))
        name = self.namespace(path, self.single(request, "namespace"))
        limit = self.single(request, "limit", str(LIST_MAX))
        if not limit.isdigit() or not 1 <= int(limit) <= LIST_MAX:
            self.refuse(f"{path}: limit {limit!r} is not 1 to {LIST_MAX}")
        after = base64.urlsafe_b64decode(self.single(request, "paginationToken")).decode()
        ids = sorted(
            one
            for one in self.held(name)
            if one.startswith(self.single(request, "prefix")) and one > after
        )
        page = ids[: int(limit)]
        reply = {
            "vectors": [{"id": one} for one in page],
            "namespace": name,
            "usage": {"readUnits": 1},
        }
        if len(ids) > len(page):
            reply["pagination"] = {"next": base64.urlsafe_b64encode(page[-1].encode()).decode()}
        return Reply(200, reply)

    def list_namespaces(self, request, raw):
        path = "/namespaces"
        self.allow(path, request, ("prefix", "limit", "paginationToken"))
        limit = self.single(request, "limit", str(LIST_MAX))
        if not limit.isdigit() or not 1 <= int(limit) <= LIST_MAX:
            self.refuse(f"{path}: limit {limit!r} is not 1 to {LIST_MAX}")
        after = base64.urlsafe_b64decode(self.single(request, "paginationToken")).decode()
        with self.lock:
            held = {name: len(ids) for name, ids in self.namespaces.items()}
        names = sorted(one for one in held if one.startswith(self.single(request, "prefix")))
        rest = [one for one in names if one > after]
        page = rest[: int(limit)]
        reply = {
            "namespaces": [{"name": one, "record_count": held[one]} for one in page],
            "total_count": len(names),
        }
        if len(rest) > len(page):
            reply["pagination"] = {"next": base64.urlsafe_b64encode(page[-1].encode()).decode()}
        return Reply(200, reply)

    def stats(self, request, raw):
        self.allow("/describe_index_stats", request, ())
        with self.lock:
            counts = {name: {"vectorCount": len(held)} for name, held in self.namespaces.items()}
        return Reply(
            200,
            {
                "namespaces": counts,
                "dimension": self.dimension,
                "indexFullness": 0.0,
                "metric": "cosine",
                "totalVectorCount": sum(count["vectorCount"] for count in counts.values()),
                "vectorType": "dense",
            },
        )

    # -- for the tests -----------------------------------------------------------------------------------------------
    def dump(self):
        with self.lock:
            return {
                name: {
                    one: {
                        "text": vector.text,
                        "metadata": vector.metadata,
                        "dimension": vector.dimension,
                    }
                    for one, vector in held.items()
                }
                for name, held in self.namespaces.items()
            }

    def reset(self):
        with self.lock:
            self.namespaces.clear()
