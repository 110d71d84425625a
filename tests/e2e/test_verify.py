"""`millrace verify` finds nothing in a sound installation, and each damage that is done to one."""

import json
import unittest
import urllib.request
import uuid

import harness
import pdf


def pages(count, word):
    return pdf.document(
        [
            [f"# {word} {number}", f"This is page {number} about the {word}. " * 30]
            for number in range(count)
        ],
        word,
    )


class Verify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = cls.enterClassContext(harness.open_world())
        for number in range(2):
            cls.world.add_tenant()
            for name in ("one", "two", "three"):
                cls.world.put(cls.world.key(number, f"{name}.pdf"), pages(3, f"{name}{number}"))
        cls.world.put(cls.world.key(0, "bad.pdf"), b"no PDF at all")
        cls.world.start_worker()
        cls.world.settle(until=lambda: len(cls.world.documents()) == 7)
        if cls.world.kind == "real":
            cls.world.stop_workers()  # `dev` serves the database

    def verify(self, *arguments, code):
        done = self.world.millrace("verify", "--young", "0s", "--json", *arguments)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        *faults, summary = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(faults), summary["faults"])
        return faults, summary

    def assert_found(self, damage, repair, *wanted):
        """Each of wanted: kind, place, and words of subject or message."""
        damage()
        try:
            faults, _ = self.verify(code=1)
            for kind, place, words in wanted:
                self.assertTrue(
                    any(
                        (one["kind"], one["place"]) == (kind, place)
                        and words in one["subject"] + " " + one["message"]
                        for one in faults
                    ),
                    (kind, place, words, faults),
                )
        finally:
            repair()
        self.verify(code=0)

    def sql(self, statement, *values):
        with harness.psycopg.connect(self.world.database(), autocommit=True) as connection:
            connection.execute(statement, values)

    def table(self, tenant=0):
        return f'"{harness.namespace_of(self.world.tenants[tenant])}".chunks'

    def document(self, name, tenant=0):
        key = self.world.key(tenant, name)
        return self.world.query(
            "select id::text, gen, chunk_count from documents where object_key = %s", key
        )[0]

    def test_1_a_sound_installation_has_no_faults(self):
        faults, summary = self.verify(code=0)
        self.assertEqual([], faults)
        self.assertEqual(7, summary["objects"])
        faults, summary = self.verify("--tenant", self.world.tenants[1], code=0)
        self.assertEqual(3, summary["objects"])
        self.assertEqual(3, self.world.millrace("verify", "--tenant", str(uuid.uuid4())).returncode)
        self.assertEqual(2, self.world.millrace("verify", "all").returncode)

    def test_2_counters(self):
        self.assert_found(
            lambda: self.sql("update users set total_vectors = total_vectors + 1"),
            lambda: self.sql("update users set total_vectors = total_vectors - 1"),
            ("counter", "database", "documents, bytes, vectors"),
        )

    def test_3_chunks(self):
        key = self.document("one.pdf")[0]
        stranger = str(uuid.uuid4())
        change = f"update {self.table()} set document_id = %s where document_id = %s"
        self.assert_found(
            lambda: self.sql(change, stranger, key),
            lambda: self.sql(change, key, stranger),
            ("orphan", "database", stranger),
            ("hole", "database", key),
        )

    def test_4_objects(self):
        key = self.world.key(0, "one.pdf")
        etag = self.world.query("select etag from documents where object_key = %s", key)[0][0]
        move = "update documents set object_key = %s where object_key = %s"
        self.assert_found(
            lambda: self.sql(move, key + "x", key),
            lambda: self.sql(move, key, key + "x"),
            ("orphan", "bucket", key + "x"),
            ("hole", "bucket", key),
        )
        change = "update documents set etag = %s where object_key = %s"
        self.assert_found(
            lambda: self.sql(change, "another", key),
            lambda: self.sql(change, etag, key),
            ("stale", "bucket", key),
        )
        self.sql(change, "another", key)
        self.assertEqual(0, self.world.millrace("verify").returncode)  # its event may be under way
        self.sql(change, etag, key)

    def test_5_vectors(self):
        if self.world.kind == "dev":
            self.assert_found(
                lambda: self.sql(
                    f"create table spare as table {self.table()}; "
                    f"update {self.table()} set embedding = null where chunk_no = 0"
                ),
                lambda: self.sql(
                    f"update {self.table()} c set embedding = s.embedding from spare s "
                    "where (c.document_id, c.chunk_no) = (s.document_id, s.chunk_no); "
                    "drop table spare"
                ),
                ("hole", "database", "have a vector"),
            )
            return
        key, gen, _ = self.document("one.pdf")
        change = "update documents set gen = %s where id = %s"
        self.assert_found(
            lambda: self.sql(change, 255, key),
            lambda: self.sql(change, gen, key),
            ("stale", "vectors", f"{key}#{gen:x}#0"),
            ("hole", "vectors", key),
        )
        owner, other = self.world.tenants
        change = "update documents set user_id = %s where id = %s"
        self.assert_found(
            lambda: self.sql(change, other, key),
            lambda: self.sql(change, owner, key),
            ("wrong_tenant", "vectors", f"{key}#{gen:x}#0"),
            ("wrong_tenant", "database", key),
        )
        change, stranger = "update users set id = %s where id = %s", str(uuid.UUID(int=5))
        self.assert_found(
            lambda: self.sql(change, stranger, other),
            lambda: self.sql(change, other, stranger),
            ("orphan", "vectors", harness.namespace_of(other)),
            ("orphan", "database", harness.namespace_of(other)),
        )
        self.lose_vectors(f"{key}#{gen:x}#0")
        faults, _ = self.verify(code=1)
        self.assertEqual(
            [("hole", "vectors", key)],
            [(one["kind"], one["place"], one["subject"]) for one in faults],
        )

    def lose_vectors(self, *ids):
        """As somebody else's client would."""
        body = {"ids": ids, "namespace": harness.namespace_of(self.world.tenants[0])}
        request = urllib.request.Request(
            self.world.stack.fakes.url + "/vectors/delete",
            json.dumps(body).encode(),
            {"Api-Key": "x", "X-Pinecone-Api-Version": "2026-04", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()


if __name__ == "__main__":
    harness.main()
