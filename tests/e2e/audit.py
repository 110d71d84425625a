"""Audits an installation from outside: bucket, tables and stored vectors against the invariants of
the design. Shares nothing with the product but names of tables and columns. Each check answers
sentences that say what is wrong; none means all is well.
"""

import collections
import hashlib
import json
import math
import re
import urllib.request
import uuid

import psycopg
from psycopg.rows import dict_row, tuple_row

FINAL = {"success", "failed", "skipped", "cancelled"}
JOB_FINAL = {"completed", "failed", "partial", "cancelled"}
TENANT_KEY = re.compile(
    r"users/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/.+", re.S
)
NORM_SLACK = 0.02  # halfvec keeps eleven bits


def namespace_of(user_id):
    return "user_" + uuid.UUID(str(user_id)).hex


def bytes_of(value):
    """A hash column as bytes, whether it is bytea or hex text."""
    return bytes.fromhex(value) if isinstance(value, str) else bytes(value or b"")


class Vector:
    def __init__(self, text, metadata, dimension):
        self.text, self.metadata, self.dimension = text, metadata, dimension


class FakeStore:
    """What the fake Pinecone holds: {namespace: {id: Vector}}."""

    def __init__(self, url, dimension):
        self.url, self.dimension = url, dimension

    def load(self, rows):
        with urllib.request.urlopen(self.url + "/_state", timeout=60) as reply:
            state = json.load(reply)
        faults = (
            [
                f"{state['violation_count']} violations of the vendors' rules, first {state['violations'][:3]}"
            ]
            if state["violation_count"]
            else []
        )
        return faults, {
            name: {
                one: Vector(held["text"], held["metadata"], held["dimension"])
                for one, held in ids.items()
            }
            for name, ids in state["namespaces"].items()
            if ids
        }


class PostgresStore:
    """Vectors that live beside their chunks: their ids are implied, their text is the row's own."""

    def __init__(self, dimension):
        self.dimension = dimension

    def load(self, rows):
        faults, namespaces = [], collections.defaultdict(dict)
        for chunk in rows.chunks:
            document, values = rows.documents.get(chunk["document_id"]), chunk["embedding"]
            if document is None or values is None:
                continue
            name = f"{document['id']}#{document['gen'] or 0:x}#{chunk['chunk_no']}"
            length = math.sqrt(sum(value * value for value in values))
            if not abs(length - 1) < NORM_SLACK:  # also when it is not a number
                faults.append(f"vector {name} has length {length}")
            namespaces[chunk["namespace"]][name] = Vector(None, None, len(values))
        return faults, dict(namespaces)


class Rows:
    """Everything the audit reads from the database, in one snapshot."""

    def __init__(self, url):
        with psycopg.connect(url, row_factory=dict_row) as connection:
            connection.execute("set transaction isolation level repeatable read read only")
            self.read(connection)

    def read(self, connection):
        def table(name):
            return connection.execute(f"select * from {name}").fetchall()

        self.now = connection.execute("select now() as now").fetchone()["now"]
        self.documents = {row["id"]: row for row in table("documents")}
        self.jobs = {row["id"]: row for row in table("processing_jobs")}
        self.users = {row["id"]: row for row in table("users")}
        self.items, self.litter, self.dead_letters = (
            table("job_items"),
            table("litter"),
            table("dead_letters"),
        )
        self.staged = {}
        for (name,) in connection.cursor(row_factory=tuple_row).execute(
            "select table_name from information_schema.tables where table_name like 'staged\\_%'"
        ):
            self.staged[name] = len(table(name))
        self.chunks = []
        tables = connection.execute(
            """select table_schema, exists(select from information_schema.columns c where c.table_schema =
            t.table_schema and c.table_name = 'chunks' and c.column_name = 'embedding') has_embedding from information_schema.tables t
            where table_name = 'chunks' and table_type = 'BASE TABLE'"""
        ).fetchall()
        for found in tables:
            values = "embedding::text" if found["has_embedding"] else "null"
            for row in connection.execute(
                f'select *, {values} embedding_text from "{found["table_schema"]}".chunks'
            ):
                is_shared = found["table_schema"] == "public"
                row["namespace"] = (
                    namespace_of(row["user_id"]) if is_shared else found["table_schema"]
                )
                text = row.pop("embedding_text")
                row["embedding"] = (
                    [float(value) for value in text.strip("[]{}").split(",")] if text else None
                )
                self.chunks.append(row)

    def live(self):
        """Documents with a generation in force."""
        return {key: row for key, row in self.documents.items() if row["gen"] is not None}


class Audit:
    """`objects` is what the bucket holds, {key: (eTag or None, bytes)}; None leaves those checks out.
    Thorough: no litter at all, not even the rows that wait to be quiet."""

    def __init__(self, url, store, objects=None, is_thorough=True):
        self.rows = Rows(url)
        self.is_thorough = is_thorough
        faults, self.vectors = store.load(self.rows)
        self.dimension = store.dimension
        self.objects = objects
        self.faults = list(faults)
        for check in (
            self.check_documents,
            self.check_items,
            self.check_jobs,
            self.check_chunks,
            self.check_vectors,
            self.check_usage,
            self.check_rest,
            self.check_staging,
            self.check_dead_letters,
            self.check_bucket,
        ):
            check()

    def say(self, sentence):
        self.faults.append(sentence)

    def name(self, document):
        return f"document {document['id']} ({document['object_key']})"

    def check_documents(self):
        seen = collections.Counter(
            (row["bucket"], row["object_key"]) for row in self.rows.documents.values()
        )
        for place, count in seen.items():
            if count > 1:
                self.say(f"{count} document rows for {place}")
        for row in self.rows.documents.values():
            name, owner = self.name(row), TENANT_KEY.fullmatch(row["object_key"])
            if row["status"] not in FINAL:
                self.say(f"{name} is not final: {row['status']}")
            if (
                row["status"] != "success"
                and row["status"] in FINAL
                and not (row["error_code"] and row["error_message"])
            ):
                self.say(f"{name} is {row['status']} without a code and a sentence")
            if owner and owner[1] != str(row["user_id"]):
                self.say(f"{name} belongs to {row['user_id']}")
            if (row["gen"] is not None) != (row["status"] == "success"):
                self.say(f"{name} is {row['status']} with generation {row['gen']}")
            if row["deleted_at"] and row["gen"] is not None:
                self.say(f"{name} is a tombstone with a live generation")
            if row["leased_until"]:
                self.say(f"{name} is still leased")
            if row["job_id"] not in self.rows.jobs:
                self.say(f"{name} names job {row['job_id']}, which is not there")

    def check_items(self):
        for item in self.rows.items:
            name = f"item {item['job_id']}/{item['document_id']}"
            document, job = self.rows.documents.get(item["document_id"]), self.rows.jobs.get(
                item["job_id"]
            )
            if not document or not job:
                self.say(f"{name} has no {'document' if job else 'job'}")
            elif document["user_id"] != job["user_id"]:
                self.say(
                    f"{name}: the document is {document['user_id']}'s, the job {job['user_id']}'s"
                )
            if item["outcome"] not in FINAL:
                self.say(f"{name} is open")
            elif item["outcome"] != "success" and not item["error_code"]:
                self.say(f"{name} is {item['outcome']} without a code")
        covered = {item["document_id"] for item in self.rows.items}
        for key, document in self.rows.documents.items():
            if key not in covered:
                self.say(f"{self.name(document)} is no item of any job")

    def check_jobs(self):
        outcomes = collections.defaultdict(collections.Counter)
        for item in self.rows.items:
            outcomes[item["job_id"]][item["outcome"]] += 1
        for key, job in self.rows.jobs.items():
            counted = outcomes[key]
            wanted = (
                counted["success"] + counted["skipped"],
                counted["failed"],
                counted["cancelled"],
                sum(counted.values()),
            )
            got = (
                job["processed_count"],
                job["failed_count"],
                job["cancelled_count"],
                job["total_documents"],
            )
            if wanted != got:
                self.say(
                    f"job {key}: processed, failed, cancelled, total are {got}, its items say {wanted}"
                )
            if job["status"] not in JOB_FINAL:
                self.say(f"job {key} is not final: {job['status']}")
            elif job["status"] != job_status(*got):
                self.say(f"job {key} is {job['status']} with counters {got}")
            if sum(got[:3]) != got[3]:
                self.say(f"job {key}: {got[:3]} do not add up to {got[3]}")
            if not job["completed_at"]:
                self.say(f"job {key} has no end")

    def check_chunks(self):
        self.chunks = collections.defaultdict(dict)
        for chunk in self.rows.chunks:
            document = self.rows.documents.get(chunk["document_id"])
            name = f"chunk {chunk['document_id']}/{chunk['chunk_no']}"
            if not document:
                self.say(f"{name} belongs to no document")
                continue
            if chunk["namespace"] != namespace_of(document["user_id"]):
                self.say(
                    f"{name} lies in {chunk['namespace']}, its document is {document['user_id']}'s"
                )
            self.chunks[document["id"]][chunk["chunk_no"]] = chunk
            if (
                not chunk["content"]
                or not chunk["token_count"]
                or chunk["char_end"] <= chunk["char_start"]
            ):
                self.say(f"{name} is empty")
            if not 1 <= chunk["page_first"] <= chunk["page_last"]:
                self.say(f"{name} is of pages {chunk['page_first']} to {chunk['page_last']}")
        for key, document in self.rows.documents.items():
            held = self.chunks[key]
            if document["chunk_count"] != len(held):
                self.say(
                    f"{self.name(document)}: chunk_count is {document['chunk_count']}, there are {len(held)} chunks"
                )
            if sorted(held) != list(range(len(held))):
                self.say(f"{self.name(document)}: chunk numbers {sorted(held)[:5]}… have gaps")
            if document["gen"] is None and held:
                self.say(
                    f"{self.name(document)} is {document['status']} and has {len(held)} chunks"
                )
            if document["gen"] is not None and not held:
                self.say(f"{self.name(document)} is a success without chunks")

    def check_vectors(self):
        wanted = collections.defaultdict(dict)
        for key, document in self.rows.live().items():
            for number, chunk in self.chunks[key].items():
                wanted[namespace_of(document["user_id"])][f"{key}#{document['gen']:x}#{number}"] = (
                    document,
                    chunk,
                )
        listed = set() if self.is_thorough else self.litter_ids()
        for namespace, held in self.vectors.items():
            extra = sorted(set(held) - set(wanted[namespace]) - listed)
            if extra:
                self.say(
                    f"{namespace}: {len(extra)} stale or foreign vectors, the first {extra[0]}"
                )
        for namespace, ids in wanted.items():
            for one, (document, chunk) in ids.items():
                vector = self.vectors.get(namespace, {}).get(one)
                if vector is None:
                    self.say(f"{namespace}: vector {one} is missing")
                else:
                    self.check_vector(one, vector, document, chunk)

    def litter_ids(self):
        """What a request that is still under way may bring back: it is listed, and swept again."""
        return {
            f"{row['document_id']}#{row['gen']:x}#{number}"
            for row in self.rows.litter
            for number in range(row["n"])
        }

    def check_vector(self, one, vector, document, chunk):
        if vector.dimension != self.dimension:
            self.say(f"vector {one} has {vector.dimension} values instead of {self.dimension}")
        if vector.metadata is None:
            return  # the vector is a column of the chunk itself
        if vector.text is None or chunk["content"].strip() not in vector.text:
            self.say(
                f"vector {one} is of another text: {(vector.text or '')[:60]!r}, not {chunk['content'][:60]!r}"
            )
        elif bytes_of(chunk["content_hash"]) != hashlib.sha256(vector.text.encode()).digest():
            self.say(f"chunk {one}: content_hash is not the hash of the text that was embedded")
        told = {name: vector.metadata.get(name) for name in ("doc", "n", "page_first", "page_last")}
        true = {
            "doc": str(document["id"]),
            "n": chunk["chunk_no"],
            "page_first": chunk["page_first"],
            "page_last": chunk["page_last"],
        }
        if told != true or str(vector.metadata.get("gen")) not in (
            f"{document['gen']:x}",
            str(document["gen"]),
        ):
            self.say(
                f"vector {one}: metadata {told}, gen {vector.metadata.get('gen')} instead of {true}"
            )
        text = vector.metadata.get("text") or ""
        if not text or text not in vector.text:
            self.say(f"vector {one}: metadata text {text[:60]!r} is not of its chunk")

    def check_usage(self):
        live = collections.defaultdict(lambda: [0, 0, 0])
        for document in self.rows.live().values():
            usage = live[document["user_id"]]
            usage[0], usage[1], usage[2] = (
                usage[0] + 1,
                usage[1] + (document["file_size"] or 0),
                usage[2] + document["chunk_count"],
            )
        for key, user in self.rows.users.items():
            got = [
                int(user[name] or 0)
                for name in ("total_documents", "total_storage_bytes", "total_vectors")
            ]
            if got != live[key]:
                self.say(
                    f"user {key}: documents, bytes, vectors are {got}, the rows say {live[key]}"
                )

    def check_rest(self):
        litter = [
            row for row in self.rows.litter if self.is_thorough or row["quiet_at"] <= self.rows.now
        ]
        if litter:
            self.say(
                f"{len(litter)} rows of litter, the first of document {litter[0]['document_id']}"
            )

    def check_staging(self):
        for table, count in self.rows.staged.items():
            if count and self.is_thorough:  # the janitor takes them in turns of a minute
                self.say(f"{count} rows of attempts that have ended lie in {table}")

    def check_dead_letters(self):
        for letter in self.rows.dead_letters:
            if not letter["code"] or not letter["message"]:
                self.say(
                    f"dead letter {letter['topic']}/{letter['partition']}/{letter['offset']} has no code or no sentence"
                )

    def check_bucket(self):
        if self.objects is None:
            return
        by_key = {row["object_key"]: row for row in self.rows.documents.values()}
        for key, (etag, size) in self.objects.items():
            owner, row = TENANT_KEY.fullmatch(key), by_key.get(key)
            if not owner or uuid.UUID(owner[1]) not in self.rows.users:
                if row:
                    self.say(f"{key} is nobody's, but has a document")
            elif not row or row["deleted_at"]:
                self.say(f"object {key} has {'a tombstone' if row else 'no document'}")
            elif row["status"] == "success" and (
                row["file_size"] != size or etag and (row["etag"] or "").strip('"') != etag
            ):
                self.say(
                    f"{self.name(row)} tells of another version: {row['etag']}, {row['file_size']} bytes, "
                    f"the bucket has {etag}, {size}"
                )
        for key, row in by_key.items():
            if key not in self.objects and not row["deleted_at"]:
                self.say(f"{self.name(row)} is {row['status']}, but the object is gone")

    def snapshot(self):
        """All that a reader sees, to compare before and after a replay."""
        rows = self.rows
        return {
            "documents": {
                row["object_key"]: (
                    row["id"],
                    row["user_id"],
                    row["job_id"],
                    row["status"],
                    row["error_code"],
                    row["etag"],
                    row["file_size"],
                    row["chunk_count"],
                    row["gen"],
                    row["processed_at"],
                    row["deleted_at"],
                )
                for row in rows.documents.values()
            },
            "jobs": {
                key: (
                    row["status"],
                    row["total_documents"],
                    row["processed_count"],
                    row["failed_count"],
                    row["completed_at"],
                )
                for key, row in rows.jobs.items()
            },
            "items": {
                (row["job_id"], row["document_id"]): (
                    row["outcome"],
                    row["error_code"],
                    row["finished_at"],
                )
                for row in rows.items
            },
            "users": {
                key: (row["total_documents"], row["total_storage_bytes"], row["total_vectors"])
                for key, row in rows.users.items()
            },
            "dead letters": {
                (row["topic"], row["partition"], row["offset"], row["event_no"]): row["code"]
                for row in rows.dead_letters
            },
            "chunks": {
                (row["document_id"], row["chunk_no"]): row["content"] for row in rows.chunks
            },
            "vectors": {name: sorted(held) for name, held in self.vectors.items()},
        }


def job_status(processed, failed, cancelled, total):
    if cancelled:
        return "cancelled"
    if not failed:
        return "completed"
    return "partial" if processed else "failed"


def differences(before, after):
    """Sentences about what two snapshots disagree on."""
    found = []
    for part, old in before.items():
        new = after[part]
        for key in sorted(set(old) | set(new), key=str):
            if old.get(key) != new.get(key):
                found.append(f"{part} {key}: {old.get(key)} became {new.get(key)}")
    return found
