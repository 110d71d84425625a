"""Every bad input has one final state or dead letter, with a stable code and a sentence, and costs
nobody else anything.
"""

import json
import time
import unittest
import uuid

import harness
import pdf
from make_demo import DEMO, ENCRYPTED, IMAGE_ONLY, TRUNCATED

LIMIT = 300_000  # bytes, MILLRACE_FILE_BYTES_MAX of this test
GOOD = pdf.document([["# A good neighbour", "It must not notice anything. " * 20]])
TENANT_WAIT = "3s"  # how long an upload may come before its user
WAIT_S = 240  # a missing object is looked for again for up to a minute before that is believed


def large():
    """Above the limit even when compressed well."""
    sink = pdf.Bytes()
    made = pdf.Document(sink, compress=False)
    for number in range(120):
        made.add_page([f"# Page {number}", "A long file. " * 200])
    made.finish()
    return sink.value()


def with_a_bomb():
    """Three pages, of which the second draws ten forms that draw ten forms each, ten levels deep."""
    form_entries = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]"
    sink = pdf.Bytes()
    made = pdf.Document(sink)
    made.add_page(["# Before", "What comes first is read. " * 20])
    form = made.writer.add_stream(b"0 g", form_entries)
    for _ in range(10):
        resources = b"/Resources<</XObject<</A %d 0 R>>>>" % form
        form = made.writer.add_stream(b"/A Do " * 10, form_entries + resources)
    made.add_raw_page(b"/A Do", b"/XObject<</A %d 0 R>>" % form)
    made.add_page(["# Behind", "So is what comes last. " * 20])
    made.finish()
    return sink.value()


FILES = {  # name: (bytes, status, code)
    "good.pdf": (GOOD, "success", None),
    "a letter.pdf": (b"This is a letter, not a PDF.\n" * 50, "success", None),
    "not a pdf.pdf": (b"\0\1\2\3" * 50, "failed", "not_a_pdf"),
    "photo.png": (b"\x89PNG\r\n\x1a\n" + bytes(50), "skipped", "image"),
    "sheet.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "skipped", "office_type"),
    "backup.tar.gz": (b"\x1f\x8b\x08" + bytes(50), "skipped", "archive"),
    "core": (bytes(range(256)), "skipped", "unsupported_type"),
    "empty.pdf": (b"", "failed", "empty_file"),
    "truncated.pdf": ((DEMO / TRUNCATED).read_bytes(), "failed", "damaged"),
    "encrypted.pdf": ((DEMO / ENCRYPTED).read_bytes(), "failed", "needs_password"),
    "no text layer.pdf": ((DEMO / IMAGE_ONLY).read_bytes(), "failed", "no_text"),
    "too large.pdf": (large(), "failed", "too_large"),
    "nothing but a header.pdf": (b"%PDF-1.7\n", "failed", "damaged"),
    "good too.pdf": (GOOD, "success", None),
}


class Files(unittest.TestCase):
    """What is wrong with a file is a state of its document."""

    def test_each_bad_file_ends_in_its_own_code_with_a_sentence(self):
        with harness.open_world(MILLRACE_FILE_BYTES_MAX=str(LIMIT)) as world:
            self.assertGreater(len(FILES["too large.pdf"][0]), LIMIT)
            world.add_tenant()
            for name, (data, *_) in FILES.items():
                world.put(world.key(0, name), data)
            world.start_worker()
            world.settle(until=lambda: len(world.documents()) == len(FILES))
            wanted = {
                world.key(0, name): (status, code) for name, (_, status, code) in FILES.items()
            }
            self.assertEqual(wanted, world.documents())
            self.assertEqual([], world.faults())
            for (message,) in world.query(
                "select error_message from documents where status in ('failed', 'skipped')"
            ):
                self.assertRegex(message, r"^.{10,}$")
            self.assert_gone_without_a_trace(world)
            world.check_workers()

    def assert_gone_without_a_trace(self, world):
        """What could not be read is deleted like anything else."""
        for name in FILES:
            world.delete(world.key(0, name))
        world.settle(until=lambda: set(world.documents().values()) == {("skipped", "gone")})
        self.assertEqual([], world.faults())


    def test_a_bad_page_is_left_out_and_named(self):
        with harness.open_world(MILLRACE_EXTRACT_PAGE_TIMEOUT="1s") as world:
            world.add_tenant()
            world.put(world.key(0, "bomb.pdf"), with_a_bomb())
            world.start_worker()
            world.settle(until=lambda: len(world.documents()) == 1)
            self.assertEqual({world.key(0, "bomb.pdf"): ("success", None)}, world.documents())
            ((metadata,),) = world.query("select processing_metadata from documents")
            self.assertEqual((3, 1), (metadata["pages"], metadata["pages_skipped"]))
            self.assertEqual([2], metadata["skipped_pages"])
            self.assertGreater(metadata["chunks"], 0)
            self.assertEqual([], world.faults())
            world.check_workers()


class Messages(unittest.TestCase):
    """What is wrong with a message is a dead letter, or nothing at all; its neighbours in the same message are served."""

    @classmethod
    def setUpClass(cls):
        try:
            cls.world = harness.RealWorld(MILLRACE_TENANT_WAIT=TENANT_WAIT)
        except harness.common.Unavailable as why:
            raise unittest.SkipTest(str(why)) from None
        cls.enterClassContext(cls.world)
        cls.world.add_tenant()
        cls.world.put(cls.world.key(0, "first.pdf"), GOOD)  # makes the topic
        cls.world.start_worker()
        cls.world.settle(until=lambda: len(cls.world.documents()) == 1)
        cls.wrap = staticmethod(cls.world.topic_module.message)
        cls.record = staticmethod(cls.world.topic_module.notification)

    def setUp(self):
        self.before = self.world.documents()

    def letters(self):
        """{(partition, offset): [(event number, code)]}"""
        found = {}
        for partition, offset, number, code in self.world.query(
            'select partition, "offset", event_no, code from dead_letters where topic = %s order by event_no',
            "uploads",
        ):
            found.setdefault((partition, offset), []).append((number, code))
        return found

    def send(self, value, **more):
        return self.world.topic.send(value, **more)

    def assert_only_dead_letters(self, wanted):
        """{place: codes}: exactly these dead letters, no document, and the worker lives."""
        self.world.settle(until=lambda: set(wanted) <= set(self.letters()))
        self.assertEqual(
            wanted, {place: [code for _, code in self.letters()[place]] for place in wanted}
        )
        self.assertEqual(self.before, self.world.documents())
        self.assertEqual([], self.world.faults())

    def test_rubbish_becomes_dead_letters(self):
        deep = b'{"Message":' * 40 + b"1" + b"}" * 40
        self.assert_only_dead_letters(
            {
                self.send(b"this is not JSON {"): ["not_json"],
                self.send(b"\xff\xfe\x00"): ["not_json"],
                self.send(None, key=b"k"): ["empty_message"],
                self.send(b""): ["empty_message"],
                self.send({"hello": "world"}): ["unknown_shape"],
                self.send([1, 2]): ["unknown_shape"],
                self.send(b"42"): ["unknown_shape"],
                self.send(deep): [self.code_of(deep)],
            }
        )

    def code_of(self, deep):
        """Either word is right for a message nested deeper than any envelope."""
        place = self.send(deep)
        self.world.settle(until=lambda: place in self.letters())
        code = self.letters()[place][0][1]
        self.assertIn(code, ("unknown_shape", "message_too_large"))
        return code

    def test_keys_that_are_nobodys_become_dead_letters(self):
        record, wrap, user = self.record, self.wrap, self.world.tenants[0]
        bad = [
            "file.pdf",
            "users/",
            "users/me/file.pdf",
            f"users/{user}",
            f"users/{user}/",
            f"users/{user}/../x.pdf",
            f"users/{user.upper()}/x.pdf",
            f"{user}/x.pdf",
        ]
        self.assert_only_dead_letters(
            {self.send(wrap(record(key, age_s=3600))): ["bad_key"] for key in bad}
        )

    def test_a_message_of_a_thousand_bad_records_is_kept_once_and_replayed_in_parts(self):
        number = 1000
        value = json.dumps(self.wrap(*[self.record(f"nobody/{at}.pdf") for at in range(number)]))
        headers = [("large", b"h" * 100_000)]
        place = self.send(value.encode(), key=b"a key", headers=headers)
        everywhere = {place: ["bad_key"] * number}
        self.assert_only_dead_letters(everywhere)
        kept = self.world.query(
            "select sum(length(value)), sum(length(key)), sum(length(headers::text)) < 200000"
            ' from dead_letters where (partition, "offset") = (%s, %s)',
            *place,
        )
        self.assertEqual([(len(value), len("a key"), True)], kept)

        shown = self.dlq("show", place, 7)
        self.assertEqual(value.encode(), bytes.fromhex(shown["value_hex"]))
        self.assertEqual(("a key", "large"), (shown["key"], shown["headers"][0][0]))
        again = place
        for event in (7, 7, 0, 999):  # what fails again is buried again, alone; then that
            again = self.replay_one(again if event == 7 else place, event)
            self.assertEqual([(event, "bad_key")], self.letters()[again])
        settled = self.world.query(
            'select partition, "offset", event_no from dead_letters where resolution is not null'
        )
        self.assertEqual({0, 7, 999}, {event for *where, event in settled if tuple(where) == place})
        self.assertEqual(4, len(settled))
        self.assert_only_dead_letters(everywhere)

    def dlq(self, verb, place, event):
        done = self.world.millrace("dlq", verb, f"uploads/{place[0]}/{place[1]}/{event}", "--json")
        self.assertEqual(0, done.returncode, done.stderr)
        return json.loads(done.stdout)

    def replay_one(self, place, event):
        """Answers where it was buried again."""
        before = set(self.letters())
        done = self.dlq("replay", place, event)
        self.assertEqual((1, 1, 0), (done["messages"], done["letters"], done["left"]))
        self.world.settle(until=lambda: len(self.letters()) > len(before))
        [again] = set(self.letters()) - before
        return again

    def test_an_upload_outside_of_every_tenant_is_a_dead_letter(self):
        self.world.put("elsewhere/file.pdf", GOOD)
        self.world.settle(
            until=lambda: any(
                ("bad_key" in [code for _, code in found]) for found in self.letters().values()
            )
        )
        self.assertEqual(self.before, self.world.documents())

    def test_an_unknown_user_a_foreign_bucket_and_an_unknown_job_become_dead_letters(self):
        record, wrap = self.record, self.wrap
        self.assert_only_dead_letters(
            {
                self.send(wrap(record(f"users/{uuid.uuid4()}/file.pdf", age_s=3600))): [
                    "unknown_tenant"
                ],
                self.send(wrap(record(self.world.key(0, "first.pdf"), bucket="elsewhere"))): [
                    "foreign_bucket"
                ],
                self.send(
                    wrap(record(self.world.key(0, "first.pdf"))),
                    headers=[("millrace-job", str(uuid.uuid4()).encode())],
                ): ["unknown_job"],
            }
        )

    def test_an_upload_of_an_unknown_user_waits_a_while_then_is_a_dead_letter(self):
        key = f"users/{uuid.uuid4()}/nobody.pdf"
        self.world.put(key, GOOD)
        self.world.wait_for(lambda: "unknown_tenant" in self.codes_of(key), 60)
        self.world.settle()
        self.assertNotIn(key, self.world.documents())
        self.assertEqual([], self.world.faults())

    def test_an_upload_that_comes_before_its_user_is_served(self):
        user = str(uuid.uuid4())
        key = f"users/{user}/early.pdf"
        self.world.put(key, GOOD)
        self.world.add_tenant(user)
        self.world.settle(until=lambda: self.world.documents().get(key) == ("success", None))
        self.assertEqual([], self.codes_of(key))
        self.assertEqual([], self.world.faults())

    def codes_of(self, key):
        """Of the dead letters whose message names this object."""
        name = key.rpartition("/")[2].encode()
        rows = self.world.query(
            "select code from dead_letters where position(%s::bytea in value) > 0", name
        )
        return [code for code, in rows]

    def test_a_test_event_and_metadata_changes_leave_no_trace(self):
        letters = self.letters()
        self.send(self.world.topic_module.TEST_EVENT)
        for name in ("ObjectTagging:Put", "ObjectAcl:Put", "ObjectRestore:Completed"):
            self.send(self.wrap(self.record(self.world.key(0, "first.pdf"), name=name)))
        self.world.settle()
        self.assertEqual((letters, self.before), (self.letters(), self.world.documents()))

    def test_a_bad_record_does_not_poison_its_siblings(self):
        key = self.world.key(0, "sibling.pdf")
        good = self.record(key, age_s=3600)
        place = self.send(
            self.wrap(self.record("nobody.pdf"), good, {"eventName": "ObjectCreated:Put"})
        )
        self.world.put(key, GOOD)
        self.world.settle(until=lambda: self.world.documents().get(key) == ("success", None))
        self.assertEqual([(0, "bad_key"), (2, "unknown_shape")], self.letters()[place])
        self.assertEqual([], self.world.faults())

    def test_an_object_that_is_not_there_ends_as_gone(self):
        key = self.world.key(0, "never uploaded.pdf")
        self.send(self.wrap(self.record(key, age_s=3600)))
        self.world.settle(
            WAIT_S, until=lambda: self.world.documents().get(key, (None, None))[1] == "gone"
        )
        self.assertEqual("skipped", self.world.documents()[key][0])
        self.assertEqual([], self.world.faults())

    def test_duplicates_count_once(self):
        key = self.world.key(0, "first.pdf")
        self.world.settle()
        before = self.world.audit().snapshot()
        [(number,)] = self.world.query("select count(*) from processing_jobs")
        again = self.wrap(self.record(key, age_s=60))
        for _ in range(5):
            self.send(again)
        self.world.settle()
        time.sleep(
            1
        )  # the job of the first copy is made by its claim; a second one would follow at once
        self.world.settle()
        [(after,)] = self.world.query("select count(*) from processing_jobs")
        self.assertEqual(number + 1, after)
        audit = self.world.audit()
        self.assertEqual([], audit.faults)
        for part in ("users", "chunks", "vectors"):
            self.assertEqual(before[part], audit.snapshot()[part])

    def test_odd_fields_harm_nobody(self):
        """What only hints is passed over where it is nonsense: the bucket is the truth."""
        key, letters = self.world.key(0, "first.pdf"), self.letters()
        etag, _ = self.world.objects()[key]  # a new notice of other bytes would be waited for
        for path, values in {
            ("eventTime",): (None, 17, "yesterday", "0001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"),
            ("s3", "object", "eTag"): (None, 5, "\x01\x7f", "e" * 5000),
            ("s3", "object", "size"): (None, -1, 1.5, "12", 2**62),
            ("s3", "object", "sequencer"): (None, [], "f" * 5000, "\u0130"),
            ("s3", "object", "versionId"): (None, 0, "v" * 5000),
            ("eventVersion",): (None, "", 2.1, "2.99"),
        }.items():
            for value in values:
                record = self.record(key, age_s=600, eTag=etag)
                *parents, name = path
                place = record
                for parent in parents:
                    place = place[parent]
                place[name] = value
                self.send(self.wrap(record))
        record = self.record(key, age_s=600)
        self.send(self.wrap(record, record, self.record(key, "ObjectRemoved:Delete", age_s=600), record))
        self.world.settle()
        self.assertEqual((letters, self.before), (self.letters(), self.world.documents()))
        self.assertEqual([], self.world.faults())

    def test_names_that_differ_are_different_documents(self):
        names = ["é.pdf", "e\u0301.pdf", "a b.pdf", "a+b.pdf", "a%20b.pdf", "a%2Bb.pdf", "A b.pdf"]
        names += ["q?x=1&y=2#z.pdf", "back\\slash.pdf", "\U0001f4a9.pdf", "\u202egnp.pdf", "...", "$(id).pdf"]
        keys = [self.world.key(0, name) for name in names]
        for key in keys:
            self.world.put(key, GOOD)
        self.world.settle(
            until=lambda: all(self.world.documents().get(key) == ("success", None) for key in keys)
        )
        self.assertEqual([], self.world.faults())

    def test_the_marker_of_an_empty_folder_is_nothing(self):
        letters = self.letters()
        for key in (self.world.key(0, "folder/"), self.world.key(0, "")):
            self.world.put(key, b"")
            self.world.delete(key)
        self.world.settle()
        self.assertEqual((letters, self.before), (self.letters(), self.world.documents()))

    def test_events_out_of_order_end_with_what_the_bucket_holds(self):
        here, gone = self.world.key(0, "stays.pdf"), self.world.key(0, "goes.pdf")
        for key in (here, gone):
            self.world.put(key, GOOD)
        self.world.settle(until=lambda: self.world.documents().get(gone) == ("success", None))
        self.world.delete(gone)
        self.world.settle(until=lambda: self.world.documents()[gone][1] == "gone")
        self.send(self.wrap(self.record(here, "ObjectRemoved:Delete", age_s=600, sequencer="00")))
        self.send(self.wrap(self.record(gone, age_s=600, sequencer="01")))
        self.world.settle(WAIT_S)
        self.assertEqual(
            (("success", None), "gone"),
            (self.world.documents()[here], self.world.documents()[gone][1]),
        )
        self.assertEqual([], self.world.faults())


if __name__ == "__main__":
    harness.main()
