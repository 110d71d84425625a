"""What happens to the services themselves: a topic that is deleted and made anew, a database that
refuses, a topic of dead letters that cannot be written. Nothing is lost, and somebody is told.
"""

import contextlib
import http.client
import http.server
import io
import json
import threading
import time
import unittest
import urllib.parse
import uuid

import harness
import pdf

GOOD = pdf.document([["# A good neighbour", "It must not notice anything. " * 20]])
PASSWORD = "kafka-4be1d0c7"
LETTERS = "letters"  # KAFKA_DEAD_LETTER_TOPIC
TOLD_S = 10  # MinIO tells what it has noted within three seconds


class Gate:
    """Before the S3 server: refuses to give what `refusals` names, {key: (status, code)}, gives a byte a
    second of what `trickles` names, and passes on the rest."""

    def __init__(self, port):
        self.refusals, self.refused = {}, []
        self.trickles, self.hung_up = set(), []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.key = urllib.parse.unquote(self.path.partition("?")[0]).removeprefix("/docs/")
                if self.command == "GET" and self.key in outer.refusals:
                    status, code = outer.refusals[self.key]
                    outer.refused.append((self.key, code))
                    self.answer(status, [], f"<Error><Code>{code}</Code></Error>".encode())
                    return
                there = http.client.HTTPConnection("127.0.0.1", port)
                there.request(self.command, self.path, headers=dict(self.headers))
                reply = there.getresponse()
                self.answer(reply.status, reply.getheaders(), reply.read())
                there.close()

            do_HEAD = do_GET

            def answer(self, status, headers, body):
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "connection"):
                        self.send_header(name, value)
                length = dict(headers).get("Content-Length", 0) if self.command == "HEAD" else len(body)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command == "GET" and self.key in outer.trickles:
                    self.trickle(body)
                else:
                    self.wfile.write(body)

            def trickle(self, body):
                try:
                    for byte in body:
                        self.wfile.write(bytes([byte]))
                        time.sleep(1)
                except OSError:
                    outer.hung_up.append(self.key)
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Mishaps(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if harness.WANTS_DEV:
            raise unittest.SkipTest("--dev")
        quick = {
            "KAFKA_PROP_SESSION_TIMEOUT_MS": "6000",
            "KAFKA_PROP_TOPIC_METADATA_REFRESH_INTERVAL_MS": "2000",
            "KAFKA_DEAD_LETTER_TOPIC": LETTERS,
        }
        try:
            cls.world = harness.RealWorld(**quick)
        except harness.common.Unavailable as why:
            raise unittest.SkipTest(str(why)) from None
        cls.world.stack.kafka.accounts = {"worker": PASSWORD}
        cls.enterClassContext(cls.world)
        cls.world.add_tenant()
        cls.world.put(cls.world.key(0, "first.pdf"), GOOD)  # makes the topic
        cls.gate = Gate(cls.world.stack.minio.port)
        cls.addClassCleanup(cls.gate.server.server_close)
        cls.addClassCleanup(cls.gate.server.shutdown)
        cls.world.settings["S3_ENDPOINT"] = cls.gate.endpoint
        cls.world.start_worker()
        cls.world.settle(until=lambda: len(cls.world.documents()) == 1)

    def setUp(self):
        self.mark = len(self.log())

    def log(self):
        lines = self.world.logs[-1].read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def told(self, event):
        """The codes that the log has told with an event since the test began."""
        return {line.get("code") for line in self.log()[self.mark :] if line["event"] == event}

    def letters(self):
        return {
            bytes(value): topic for topic, value in self.world.query("select topic, value from dead_letters")
        }

    def upload(self):
        key = self.world.key(0, f"{uuid.uuid4()}.pdf")
        self.world.put(key, GOOD)
        return key

    def assert_served(self, *keys):
        self.world.settle(
            until=lambda: all(self.world.documents().get(key) == ("success", None) for key in keys)
        )
        self.assertEqual([], self.world.faults())

    # -- the tests' own eyes: whose fault is it that a change is not seen? -----------------------------------------
    def test_what_the_bucket_told_nobody_of_is_counted_apart(self):
        bucket, removed, again = self.world.bucket, self.upload(), self.upload()
        self.assert_served(removed, again)
        bucket.notify(None, [])
        kept = self.upload()
        self.world.delete(removed)
        self.world.delete(again)
        bucket.notify(self.world.stack.minio.ARN, self.world.stack.minio.EVENTS)
        self.world.delete(again)  # as clients do when no answer came: of this one MinIO tells (NoOP)
        with contextlib.redirect_stdout(io.StringIO()) as words:
            self.world.settle(TOLD_S)
        self.assertEqual(2, words.getvalue().count("NOT TOLD"))
        self.assertEqual({kept, removed}, set(self.world.untold))
        self.assertEqual("success", self.world.documents()[kept][0])
        self.assertEqual(("skipped", "gone"), self.world.documents()[removed])
        self.assertEqual(("skipped", "gone"), self.world.documents()[again])
        self.assertEqual([], self.world.faults())

    def test_what_the_topic_has_and_no_row_is_our_own_fault(self):
        self.world.stop_workers()
        before = list(self.world.untold)
        key = self.upload()
        with self.assertRaisesRegex(AssertionError, "1 keys are not seen.*; 1 messages are not"):
            self.world.settle(TOLD_S)
        self.assertEqual(before, self.world.untold)
        self.world.start_worker()
        self.assert_served(key)

    # -- dead letters: the row is the letter, the topic a copy of all of it ----------------------------------------
    def test_the_copy_of_a_dead_letter_is_whole(self):
        value, key = b"\0\xff not JSON " + b"x" * 500_000, b"\0\xffkey"
        headers = [("a", b"\0\xff"), ("empty", b""), ("none", None), ("many", b"v" * 300_000)]
        place = self.world.topic.send(value, key, headers, partition=2)
        self.world.settle(until=lambda: value in self.letters())
        copy = self.world.topic.read(LETTERS, lambda message: message.value() == value)
        self.assertEqual(key, copy.key())
        self.assertEqual(headers, copy.headers()[: len(headers)])
        ours = dict(copy.headers()[len(headers) :])
        self.assertEqual(b"not_json", ours["millrace-dlq-code"])
        self.assertEqual(
            (b"uploads", b"%d" % place[0], b"%d" % place[1]),
            tuple(ours[f"millrace-dlq-{name}"] for name in ("topic", "partition", "offset")),
        )
        [(kept,)] = self.world.query("select headers from dead_letters where value = %s", value)
        self.assertEqual([name for name, _ in headers], [name for name, _ in kept])

    def test_where_no_copy_can_be_made_the_row_is_the_letter(self):
        self.world.stop_workers()
        self.world.settings["KAFKA_DEAD_LETTER_TOPIC"] = "no/such"
        self.world.start_worker()
        self.mark = 0
        self.world.topic.send(b"nobody has a copy of this")
        served = self.upload()
        self.world.settle(until=lambda: b"nobody has a copy of this" in self.letters())
        self.world.wait_for(lambda: self.told("dead_letter_not_mirrored"), 60)
        self.assert_served(served)
        self.world.stop_workers()
        self.world.settings["KAFKA_DEAD_LETTER_TOPIC"] = LETTERS
        self.world.start_worker()
        self.assert_served(self.upload())

    # -- Kafka: the topic is deleted, and made anew -------------------------------------------------------------------
    def test_a_topic_that_was_made_anew_is_read_from_its_beginning(self):
        places = [self.world.topic.send(b"old %d" % number) for number in range(6)]
        self.world.settle(until=lambda: b"old 5" in self.letters())
        self.world.topic.make_anew()
        news = [b"new %d" % number for number in range(min(places)[1] + 1)]
        again = [self.world.topic.send(value) for value in news]
        self.assertEqual({min(places)}, set(places) & set(again))
        served = self.upload()
        self.world.settle(until=lambda: set(news) <= set(self.letters()))
        self.assert_served(served)
        letters = self.letters()
        self.assertEqual({"uploads"}, {letters[b"old %d" % number] for number in range(6)})

        # What came from the same places keeps apart, and goes back to the topic by its name.
        done = self.world.millrace("dlq", "replay", "--reason", "not_json", "--rate", "500")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.world.settle()
        self.assertEqual(set(letters), set(self.letters()))

    def test_partitions_that_are_added_are_read_from_their_beginning(self):
        count = len(self.world.topic.partitions())
        self.world.topic.widen(count + 1)
        place = self.world.topic.send(b"of the new partition", partition=count)
        self.assertEqual((count, 0), place)
        self.world.settle(until=lambda: b"of the new partition" in self.letters())

    # -- the bucket: it has the object, and does not give it ------------------------------------------------------------
    def test_a_key_that_may_not_be_used_is_waited_for(self):
        """Of the bucket, of KMS: never gone, never failed, and nothing else is known to be wrong."""
        refusals = ((403, "AccessDenied"), (400, "KMS.DisabledException"), (400, "ExpiredToken"))
        keys = []
        for refusal in refusals:
            keys.append(self.world.key(0, f"{refusal[1]}.pdf"))
            self.gate.refusals[keys[-1]] = refusal
            self.world.put(keys[-1], GOOD)
        self.world.wait_for(lambda: set(keys) <= {key for key, _ in self.gate.refused}, 60)
        self.world.wait_for(lambda: self.told("document_left") == {"access_denied"}, 60)
        self.assertFalse({"failed", "skipped"} & {self.world.documents()[key][0] for key in keys})
        self.gate.refusals.clear()
        self.assert_served(*keys)

    def test_a_body_that_trickles_is_given_up_and_others_go_on(self):
        slow = self.world.key(0, "slow.pdf")
        self.gate.trickles.add(slow)
        self.world.put(slow, GOOD)
        self.world.wait_for(lambda: slow in self.world.documents(), 60)
        others = [self.upload() for _ in range(5)]
        served = ("success", None)
        self.world.wait_for(lambda: all(self.world.documents().get(key) == served for key in others), 60)
        self.assertEqual([], self.gate.hung_up)
        self.world.wait_for(lambda: slow in self.gate.hung_up, 60)
        self.world.wait_for(lambda: "timeout" in self.told("document_left"), 10)
        self.gate.trickles.clear()
        self.assert_served(slow)

    def test_what_lies_in_an_archive_fails_until_it_is_restored(self):
        key = self.world.key(0, "archived.pdf")
        self.gate.refusals[key] = (403, "InvalidObjectState")
        self.world.put(key, GOOD)
        self.world.settle(until=lambda: self.world.documents().get(key) == ("failed", "archived"))
        self.gate.refusals.clear()
        [(job,)] = self.world.query("select job_id from documents where object_key = %s", key)
        self.assertEqual(0, self.world.millrace("retry", str(job)).returncode)
        self.assert_served(key)

        # What is live stays when its bytes have moved to the archive, and its event comes late.
        self.gate.refusals[key] = (403, "InvalidObjectState")
        record = self.world.topic_module.notification(key, age_s=3600)
        self.world.topic.send(self.world.topic_module.message(record))
        self.world.settle(until=lambda: self.gate.refused.count((key, "InvalidObjectState")) == 2)
        self.assertEqual([], self.world.faults())
        self.assertEqual(
            [(True,)],
            self.world.query("select gen is not null from documents where object_key = %s", key),
        )
        self.gate.refusals.clear()

    # -- PostgreSQL: it refuses -----------------------------------------------------------------------------------------
    def prove_refusal(self, refuse, allow, code):
        for statement in refuse:
            self.world.execute(statement)
        keys = [self.upload() for _ in range(5)]
        self.world.wait_for(lambda: code in self.told("document_not_claimed"), 60)
        self.world.execute(allow)
        self.assert_served(*keys)
        self.assertNotIn("failed", {status for status, _ in self.world.documents().values()})

    def test_a_right_that_is_missing_is_told_and_waited_for(self):
        role = harness.WORKER_ROLE
        self.prove_refusal(
            [f"revoke insert on documents from {role}"],
            f"grant insert on documents to {role}",
            "access_denied",
        )

    def restart_with(self, settings):
        self.world.stop_workers()
        self.world.settings = settings
        self.world.start_worker()

    # -- a broker that asks who comes: told by name with a remedy, and no reason to end ----------------------------------
    def test_a_wrong_password_of_the_broker_is_told_and_waited_for(self):
        self.world.stop_workers()
        self.addCleanup(self.restart_with, dict(self.world.settings))
        address = f"127.0.0.1:{self.world.stack.kafka.login_port}"
        login = {
            "KAFKA_BROKERS": address,
            "KAFKA_PROP_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_PROP_SASL_MECHANISM": "PLAIN",
            "KAFKA_PROP_SASL_USERNAME": "worker",
            "KAFKA_PROP_SASL_PASSWORD": "wrong-" + PASSWORD,
        }
        self.world.settings.update(login)
        self.world.start_worker()
        self.mark = 0
        self.world.wait_for(lambda: "access_denied" in self.told("kafka_troubled"), 60)
        [line] = [one for one in self.log() if one.get("code") == "access_denied"][:1]
        self.assertIn(address, line["error"])
        self.assertIn("millrace check", line["remedy"])
        self.assertNotIn(PASSWORD, self.world.logs[-1].read_text())
        checked = self.world.millrace("check", "--no-cost")
        self.assertRegex(checked.stdout, r"(?m)^FAIL +kafka")
        self.assertNotIn(PASSWORD, checked.stdout + checked.stderr)
        self.world.check_workers()
        self.assertEqual([0], self.world.stop_workers())

        self.world.settings["KAFKA_PROP_SASL_PASSWORD"] = PASSWORD
        self.world.start_worker()
        self.assert_served(self.upload())

    def test_who_may_not_log_in_any_more_waits(self):
        role = harness.WORKER_ROLE
        out = f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'"
        self.prove_refusal(
            [f"alter role {role} nologin", out], f"alter role {role} login", "access_denied"
        )

    def test_a_server_without_room_is_waited_for(self):
        """No connection, then no disk: neither is a failure of anybody's document."""
        role = harness.WORKER_ROLE
        out = f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'"
        self.world.execute(f"alter role {role} connection limit 0")
        self.world.execute(out)
        first = self.upload()
        time.sleep(2)
        self.world.execute(f"alter role {role} connection limit -1")
        self.assert_served(first)

        self.world.execute(
            "create function is_full() returns trigger language plpgsql as"
            " $$ begin raise exception 'no space left' using errcode = '53100'; end $$"
        )
        self.world.execute(
            "create trigger is_full before insert on job_items execute function is_full()"
        )
        second = self.upload()
        time.sleep(2)
        self.assertNotIn(second, self.world.documents())
        self.world.execute("drop trigger is_full on job_items")
        self.assert_served(second)
        self.assertEqual(set(), self.told("document_not_claimed"))


if __name__ == "__main__":
    harness.main()
