"""The auditor finds nothing wrong with a sound installation and each of many sabotages. Needs
PostgreSQL and the fakes, not us.

The tables here are the contract's columns, written down a second time on purpose.
"""

import hashlib
import json
import os
import pathlib
import sys
import unittest
import urllib.request
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
try:
    import psycopg
except ImportError:
    print("SKIPPED: no psycopg (apt-get install python3-psycopg)")
    sys.exit(77)
import audit  # noqa: E402

URL, FAKES, DIMENSION = (
    os.environ["TEST_DATABASE_URL"],
    os.environ["TEST_FAKES_URL"],
    int(os.environ["TEST_DIMENSION"]),
)
USERS = [uuid.UUID(int=number, version=4) for number in (0xA, 0xB)]
TABLES = """
drop schema public cascade; create schema public;
create table users(id uuid primary key, is_active bool default true, total_documents int, total_storage_bytes bigint, total_vectors bigint);
create table processing_jobs(id uuid primary key, user_id uuid, job_type text, status text, total_documents int, processed_count int,
    failed_count int, cancelled_count int, started_at timestamptz, completed_at timestamptz);
create table documents(id uuid primary key, user_id uuid, job_id uuid, bucket text, object_key text, status text, error_code text,
    error_message text, etag text, file_size bigint, chunk_count int, processed_at timestamptz, deleted_at timestamptz, gen bigint,
    leased_until timestamptz);
create table job_items(job_id uuid, document_id uuid, outcome text, error_code text, error_message text, finished_at timestamptz);
create table litter(document_id uuid, gen bigint, user_id uuid, n int, quiet_at timestamptz);
create table dead_letters(topic text, partition int, "offset" bigint, event_no int, code text, message text);
"""
CHUNKS = """create table {}.chunks(document_id uuid, chunk_no int, page_first int, page_last int, char_start bigint, char_end bigint,
    heading text, token_count int, content_hash bytea, content text, embedding real[])"""


def call(path, body):
    request = urllib.request.Request(
        FAKES + path,
        json.dumps(body).encode(),
        {
            "Content-Type": "application/json",
            "Authorization": "Bearer k",
            "Api-Key": "k",
            "X-Pinecone-Api-Version": "2026-04",
        },
    )
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


class Installation:
    """Two tenants; each has one live document of three chunks, one failed and one removed document, all in one job."""

    def __init__(self):
        call("/_reset", {})
        self.objects = {}
        with psycopg.connect(URL) as connection:
            self.db = connection
            connection.execute(TABLES)
            for number, user in enumerate(USERS, 1):
                self.add_tenant(number, user)

    def add_tenant(self, number, user):
        namespace, job = audit.namespace_of(user), uuid.UUID(int=number * 100)
        self.db.execute(f"drop schema if exists {namespace} cascade")
        self.db.execute(f"create schema {namespace}")
        self.db.execute(CHUNKS.format(namespace))
        self.db.execute("insert into users values (%s, true, 1, 1000, 3)", [user])
        self.db.execute(
            "insert into processing_jobs values (%s, %s, 'upload', 'partial', 3, 2, 1, 0, now(), now())",
            [job, user],
        )
        for place, (name, status, code) in enumerate(
            (("live", "success", None), ("bad", "failed", "damaged"), ("gone", "skipped", "gone"))
        ):
            document, key = uuid.UUID(int=number * 100 + place), f"users/{user}/{name}.pdf"
            is_live = status == "success"
            self.db.execute(
                "insert into documents values (%s,%s,%s,'docs',%s,%s,%s,%s,%s,%s,%s,now(),%s,%s,null)",
                [
                    document,
                    user,
                    job,
                    key,
                    status,
                    code,
                    code and "A sentence.",
                    "e1",
                    1000,
                    3 if is_live else 0,
                    "now" if code == "gone" else None,
                    number + 0x10 if is_live else None,
                ],
            )
            self.db.execute(
                "insert into job_items values (%s,%s,%s,%s,null,now())",
                [job, document, status, code],
            )
            if code != "gone":
                self.objects[key] = ("e1", 1000)
            if is_live:
                self.add_chunks(namespace, document, number + 0x10)

    def add_chunks(self, namespace, document, gen):
        texts = [f"Heading\n\nthe text of chunk {number} of {document}" for number in range(3)]
        made = call("/v1/embeddings", {"model": "m", "input": texts})["data"]
        for number, text in enumerate(texts):
            self.db.execute(
                f"insert into {namespace}.chunks values (%s,%s,1,2,%s,%s,'Heading',7,%s,%s,null)",
                [
                    document,
                    number,
                    number * 50,
                    number * 50 + 40,
                    hashlib.sha256(text.encode()).digest(),
                    text[9:],
                ],
            )
        call(
            "/vectors/upsert",
            {
                "namespace": namespace,
                "vectors": [
                    {
                        "id": f"{document}#{gen:x}#{number}",
                        "values": made[number]["embedding"],
                        "metadata": {
                            "doc": str(document),
                            "gen": f"{gen:x}",
                            "n": number,
                            "page_first": 1,
                            "page_last": 2,
                            "text": text[9:],
                        },
                    }
                    for number, text in enumerate(texts)
                ],
            },
        )

    def faults(self):
        return audit.Audit(URL, audit.FakeStore(FAKES, DIMENSION), self.objects).faults


A, B = (audit.namespace_of(user) for user in USERS)
DOCUMENT = uuid.UUID(int=100)
SQL = {  # statement: what the auditor must say
    "update processing_jobs set processed_count = 3 where user_id = %(a)s": "its items say",
    "update processing_jobs set total_documents = 4 where user_id = %(a)s": "do not add up",
    "update processing_jobs set status = 'completed' where user_id = %(a)s": "is completed with counters",
    "update processing_jobs set completed_at = null where user_id = %(a)s": "has no end",
    "update job_items set outcome = null where document_id = %(document)s": "is open",
    "update job_items set error_code = null where outcome = 'failed'": "without a code",
    "delete from job_items where document_id = %(document)s": "no item of any job",
    "update documents set status = 'processing' where id = %(document)s": "is not final",
    "update documents set error_message = null where status = 'failed'": "without a code and a sentence",
    "update documents set gen = gen + 1 where id = %(document)s": "is missing",
    "update documents set chunk_count = 2 where id = %(document)s": "chunk_count is 2",
    "update documents set leased_until = now() + interval '9 s' where id = %(document)s": "still leased",
    "update documents set leased_until = now() - interval '9 s' where id = %(document)s": "still leased",
    "update documents set user_id = %(b)s where id = %(document)s": "belongs to",
    "update documents set etag = 'e2' where id = %(document)s": "another version",
    "update documents set file_size = 999 where id = %(document)s": "another version",
    "update documents set deleted_at = now() where status = 'failed'": "a tombstone",
    "update documents set deleted_at = null where error_code = 'gone'": "the object is gone",
    "insert into documents select gen_random_uuid(), user_id, job_id, bucket, object_key, status, error_code, error_message, etag, "
    "file_size, 0, now(), now(), null, null from documents where error_code = 'gone'": "2 document rows",
    "update users set total_vectors = 4 where id = %(a)s": "documents, bytes, vectors",
    "update users set total_storage_bytes = 0 where id = %(a)s": "documents, bytes, vectors",
    "insert into litter values (%(document)s, 1, %(a)s, 3, now())": "rows of litter",
    "create table staged_chunks as select 1 as document_id": "attempts that have ended",
    "insert into dead_letters values ('t', 0, 0, 0, 'not_json', null)": "no sentence",
    f"delete from {A}.chunks where chunk_no = 1": "have gaps",
    f"update {A}.chunks set content = 'another text' where chunk_no = 1": "is of another text",
    f"update {A}.chunks set content_hash = '\\x00' where chunk_no = 1": "content_hash is not",
    f"update {A}.chunks set page_last = 0 where chunk_no = 1": "is of pages",
    f"update {A}.chunks set page_first = 2 where chunk_no = 1": "metadata",
    f"insert into {B}.chunks select * from {A}.chunks": "lies in " + B,
    f"insert into {A}.chunks select document_id, chunk_no + 3, 1, 1, 0, 1, null, 1, '\\x', 'x', null from {A}.chunks": "there are 6 chunks",
}
VECTORS = {  # what is deleted or copied in the store, and what the auditor must say
    "a vector is deleted": (
        lambda: call("/vectors/delete", {"namespace": A, "ids": [f"{DOCUMENT}#11#1"]}),
        "is missing",
    ),
    "an older generation is left": (lambda: copy_vectors(A, A, "#11#", "#10#"), "stale or foreign"),
    "another tenant's vectors are here": (lambda: copy_vectors(A, B), "stale or foreign"),
    "a vendor's rule is broken": (
        lambda: refused("/vectors/upsert", {"namespace": A, "vectors": []}),
        "violations of the vendors",
    ),
}


def copy_vectors(source, target, old="", new=""):
    row = call(
        "/query",
        {
            "namespace": source,
            "topK": 1,
            "id": f"{DOCUMENT}#11#0",
            "includeValues": True,
            "includeMetadata": True,
        },
    )["matches"][0]
    call(
        "/vectors/upsert",
        {
            "namespace": target,
            "vectors": [
                {
                    "id": row["id"].replace(old, new),
                    "values": row["values"],
                    "metadata": row["metadata"],
                }
            ],
        },
    )


def refused(path, body):
    try:
        call(path, body)
    except urllib.error.HTTPError as error:
        error.close()


class Auditor(unittest.TestCase):
    def test_a_sound_installation_has_no_faults(self):
        self.assertEqual([], Installation().faults())

    def test_each_sabotage_of_the_tables_is_found(self):
        for statement, wanted in SQL.items():
            with self.subTest(statement):
                installation = Installation()
                with psycopg.connect(URL) as connection:
                    changed = connection.execute(
                        statement, {"a": USERS[0], "b": USERS[1], "document": DOCUMENT}
                    ).rowcount
                self.assertGreater(changed, 0)
                faults = installation.faults()
                self.assertTrue(any(wanted in fault for fault in faults), faults)

    def test_each_sabotage_of_the_store_is_found(self):
        for name, (sabotage, wanted) in VECTORS.items():
            with self.subTest(name):
                installation = Installation()
                sabotage()
                faults = installation.faults()
                self.assertTrue(any(wanted in fault for fault in faults), faults)

    def test_each_change_of_the_bucket_is_found(self):
        installation = Installation()
        key = f"users/{USERS[0]}/live.pdf"
        installation.objects = {
            **installation.objects,
            f"users/{USERS[0]}/new.pdf": ("e", 1),
            f"users/{uuid.UUID(int=7)}/x": ("e", 1),
            "elsewhere.pdf": ("e", 1),
        }
        self.assertEqual(
            [f"object users/{USERS[0]}/new.pdf has no document"], installation.faults()
        )
        installation.objects = {
            name: held for name, held in Installation().objects.items() if name != key
        }
        self.assertIn("but the object is gone", installation.faults()[0])

    def test_vectors_beside_their_chunks_are_checked_for_length_and_width(self):
        installation = Installation()
        store = audit.PostgresStore(DIMENSION)
        sound, long, short = (
            [0.0] * (width - 1) + [value]
            for width, value in ((DIMENSION, 1.0), (DIMENSION, 1.5), (DIMENSION - 1, 1.0))
        )

        def faults(values):
            with psycopg.connect(URL) as connection:
                for namespace in (A, B):
                    connection.execute(f"update {namespace}.chunks set embedding = %s", [values])
            return audit.Audit(URL, store, installation.objects).faults

        self.assertEqual([], faults(sound))
        self.assertIn("has length 1.5", faults(long)[0])
        self.assertIn(f"has {DIMENSION - 1} values", faults(short)[0])
        self.assertIn("is missing", faults(None)[0])
        self.assertIn("has length nan", faults([float("nan")] * DIMENSION)[0])

    def test_differences_of_snapshots_are_named(self):
        Installation()
        before = audit.Audit(URL, audit.FakeStore(FAKES, DIMENSION)).snapshot()
        self.assertEqual(
            [],
            audit.differences(
                before, audit.Audit(URL, audit.FakeStore(FAKES, DIMENSION)).snapshot()
            ),
        )
        with psycopg.connect(URL) as connection:
            connection.execute(
                "update documents set processed_at = now() where id = %s", [DOCUMENT]
            )
        after = audit.Audit(URL, audit.FakeStore(FAKES, DIMENSION)).snapshot()
        self.assertEqual(1, len(audit.differences(before, after)))


if __name__ == "__main__":
    unittest.main()
