"""A whole installation around the built `millrace`: real services, tenants, uploads, workers, and
the audit of what they left.

    with open_world() as world:
        world.put(key, data); world.start_worker(); world.settle(); assert world.faults() == []

Two worlds behind one interface: `real` (Kafka, S3 server with notifications to it, PostgreSQL,
fakes of embeddings and Pinecone) and `dev` (`millrace dev`: one process, this machine only).
The first is used where this machine can have it, else the second, and that is said loudly.
`--dev` on a test's command line asks for the second.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
import urllib.request
import uuid

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
for folder in (TESTS, TESTS / "bench", TESTS / "fixtures", HERE):
    sys.path.insert(0, str(folder))
try:
    import psycopg
except ImportError:
    print("SKIPPED: no psycopg (apt-get install python3-psycopg)")
    sys.exit(77)
from audit import (
    Audit,
    FakeStore,
    PostgresStore,
    differences,
    namespace_of,
)  # noqa: E402,F401
import sight  # noqa: E402
from services import common  # noqa: E402
from services.serve import SKIPPED, Stack  # noqa: E402

BINARY = os.environ.get("TEST_MILLRACE") or os.path.join(
    os.environ.get("TEST_BUILD_DIR", TESTS.parent / "build" / "dev"), "bin", "millrace"
)
WANTS_DEV = "--dev" in sys.argv[1:]
GROUP, BUCKET, WORKER_ROLE = "millrace", "docs", "millrace_worker"
SECRETS = {"OPENAI_API_KEY": "sk-test-0f4c1a77", "PINECONE_API_KEY": "pc-test-5be2d913"}
SETTLE_S, CALM, PAUSE_S = 150, 3, 0.25
SWEEP_S = 20  # the sweep of a replaced generation follows on its own
# Litter is swept at once, its rows stay until no request under way can bring it back (2 minutes).
OPEN_WORK = """select (select count(*) from documents
                where status not in ('success','failed','skipped','cancelled') or leased_until is not null)
             + (select count(*) from job_items where outcome is null)
             + (select count(*) from litter where %(thorough)s or quiet_at <= now())
             + (select count(*) from staged_chunks where %(thorough)s)"""


class World:
    """What both worlds share. Subclasses: put, delete, objects, start_worker, replay, database, store."""

    program = BINARY

    def __init__(self, **settings):
        self.settings = settings
        self.workers, self.logs, self.tenants = [], [], []
        self.topic_module = None
        self.untold = []  # keys whose last change the S3 server told nobody of

    # -- workers -----------------------------------------------------------------------------------------------------
    def environment(self):
        return {
            **self.settings,
            "MILLRACE_LISTEN": f"127.0.0.1:{common.free_port()}",
            "NO_COLOR": "1",
        }

    def start(self, *arguments, through=()):
        """through: a command that becomes the worker after it has done something first."""
        log = self.run_dir / f"worker{len(self.logs)}.log"
        self.logs.append(log)
        self.workers.append(common.Child([*through, self.program, *arguments], log, self.environment()))
        return self.workers[-1]

    def stop_workers(self, number=signal.SIGTERM):
        """Answers the exit codes; a test of SIGTERM wants zeros."""
        codes = [worker.stop(number, 30) for worker in self.workers]
        self.workers = []
        return codes

    def kill(self, number):
        """kill -9 of one of several workers."""
        self.workers.pop(number).stop(signal.SIGKILL)

    def millrace(self, *arguments, seconds=60, **settings):
        return subprocess.run(
            [self.program, *arguments],
            env={**os.environ, **self.environment(), **settings},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def check_workers(self):
        for worker in self.workers:
            if not worker.is_alive():
                raise AssertionError(
                    f"a worker ended by itself ({worker.process.returncode}):\n{worker.tail(30)}"
                )

    # -- waiting -----------------------------------------------------------------------------------------------------
    def query(self, statement, *values, **named):
        with psycopg.connect(self.database(), autocommit=True, connect_timeout=5) as connection:
            return connection.execute(statement, named or values).fetchall()

    def execute(self, statement):
        """As the owner; nothing is answered."""
        with psycopg.connect(self.database(), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)

    def documents(self):
        """{key: (status, error_code)}"""
        return {
            key: (status, code)
            for key, status, code in self.query(
                "select object_key, status, error_code from documents"
            )
        }

    def backlog(self):
        return 0

    def why_not_at_rest(self, is_thorough):
        try:
            open_work = self.query(OPEN_WORK, thorough=is_thorough)[0][0]
            if open_work:
                return f"{open_work} rows are open"
            unseen = sight.unseen(self)
            if unseen:
                return f"{len(unseen)} keys are not seen, the first {unseen[0]}"
            backlog = self.backlog()
            return f"{backlog} messages are not settled" if backlog else None
        except psycopg.Error as why:
            return f"the database does not answer: {why}"

    def settle(self, seconds=SETTLE_S, until=lambda: True, is_thorough=False):
        """Waits until nothing is left to do, seen several times in a row; thorough: not even litter
        that waits to be quiet. Raises AssertionError with the reason. What the bucket told nobody of
        nobody can see: that is counted, told in its place, and waited for anew."""
        end, calm, why = time.monotonic() + seconds, 0, ""
        while calm < CALM:
            self.check_workers()
            why = self.why_not_at_rest(is_thorough) or (
                None if until() else "the test's own condition does not hold"
            )
            calm = 0 if why else calm + 1
            if time.monotonic() > end:
                if not sight.tell_in_its_place(self):
                    raise AssertionError(
                        f"not at rest after {seconds} s: {why}; {self.backlog()} messages are not "
                        f"settled\n{sight.cases(self)}\n{sight.workers_say(self)}"
                    )
                end = time.monotonic() + seconds
            time.sleep(PAUSE_S)

    def told_of(self, key):
        """What the topic tells of an object; None: there is none."""
        return None

    def wait_for(self, is_so, seconds):
        """Waits for a condition while work goes on; a database that is not there yet is waited for."""
        end = time.monotonic() + seconds
        while True:
            self.check_workers()
            try:
                if is_so():
                    return
            except psycopg.Error:
                pass  # the next turn asks again; the deadline below is the limit
            if time.monotonic() > end:
                raise AssertionError(f"not so after {seconds} s: {self.workers[-1].tail(20)}")
            time.sleep(PAUSE_S / 5)

    # -- judging -----------------------------------------------------------------------------------------------------
    def audit(self, is_thorough=False):
        """An audit without faults, or what it still finds after the time that a sweep may take."""
        end = time.monotonic() + SWEEP_S
        while True:
            audit = Audit(self.database(), self.store, self.objects(), is_thorough)
            if not audit.faults or time.monotonic() > end:
                return audit
            time.sleep(PAUSE_S)

    def faults(self, is_thorough=False):
        """What the audit finds, and what the product's own `verify` does."""
        return self.audit(is_thorough).faults + self.leaks() + self.verify()

    def verify(self):
        done = self.millrace("verify", "--json")
        if done.returncode == 0:
            return []
        return done.stdout.splitlines() or [f"verify ended with {done.returncode}: {done.stderr}"]

    def leaks(self, sentences=()):
        """Secrets, and sentences of documents, that a log holds."""
        found = []
        for log in self.logs:
            text = log.read_text(errors="replace")
            found += [
                f"{log.name} holds {name}"
                for name, value in {**SECRETS, **self.more_secrets()}.items()
                if value in text
            ]
            found += [
                f"{log.name} holds text of a document: {one[:40]!r}"
                for one in sentences
                if one in text
            ]
        return found

    def more_secrets(self):
        return {}

    def key(self, tenant, name):
        return f"users/{self.tenants[tenant]}/{name}"


class RealWorld(World):
    kind = "real"

    def __init__(self, dimension=256, **settings):
        super().__init__(**settings)
        beside = ["pgvector"] if settings.get("VECTOR_STORE") == "pgvector" else []
        self.stack = Stack(*beside, "kafka", "minio", "postgres", "fakes", dimension=dimension)
        try:
            import topic
        except ImportError as why:
            raise common.Unavailable(
                "no Kafka client (apt-get install python3-confluent-kafka)"
            ) from why
        self.topic_module, self.dimension = topic, dimension

    def __enter__(self):
        self.stack.__enter__()
        self.run_dir = self.stack.run
        try:
            self.prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.stop_workers(signal.SIGKILL)
        keep_logs(self)
        self.stack.__exit__(*exc)

    def prepare(self):
        stack = self.stack
        self.settings = {
            "KAFKA_BROKERS": stack.kafka.brokers,
            "KAFKA_TOPIC": "uploads",
            "KAFKA_GROUP": GROUP,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "millrace",
            "AWS_SECRET_ACCESS_KEY": "millrace-secret",
            "S3_BUCKET": BUCKET,
            "S3_ENDPOINT": stack.minio.endpoint,
            "OPENAI_BASE_URL": stack.fakes.url + "/v1",
            "OPENAI_EMBEDDING_MODEL": "text-embedding-3-large",
            "EMBEDDING_DIMENSIONS": str(self.dimension),
            "VECTOR_STORE": "pinecone",
            "PINECONE_INDEX_NAME": "docs",
            "PINECONE_INDEX_HOST": stack.fakes.url,
            "DATABASE_URL": stack.postgres.url_as(WORKER_ROLE),
            **SECRETS,
            **self.settings,
        }
        self.bucket = stack.minio.client()
        is_pinecone = self.settings["VECTOR_STORE"] == "pinecone"
        self.store = (
            FakeStore(stack.fakes.url, self.dimension)
            if is_pinecone
            else PostgresStore(self.dimension)
        )
        self.topic = self.topic_module.Topic(stack.kafka.brokers, "uploads", GROUP)
        done = self.migrate()
        if done.returncode:
            raise AssertionError(
                f"migrate ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )

    def migrate(self):
        """With the owner's credentials; everything else runs as a role that may do little."""
        as_owner = {"DATABASE_URL": self.database(), "DB_WORKER_ROLE": WORKER_ROLE}
        return self.millrace("migrate", **as_owner)

    def add_tenant(self, tenant=None, is_active=True, **columns):
        """A row of `users` as an application would insert it. Answers the id."""
        tenant = str(tenant or uuid.uuid4())
        row = {
            "id": tenant,
            "email": f"{tenant[:8]}@example.org",
            "is_active": is_active,
            "s3_bucket_prefix": f"users/{tenant}/",
            "pinecone_namespace": namespace_of(tenant),
            "db_schema": namespace_of(tenant),
            **columns,
        }
        with psycopg.connect(self.database()) as connection:
            connection.execute(
                f"insert into users ({','.join(row)}) values ({','.join(['%s'] * len(row))})",
                list(row.values()),
            )
        self.tenants.append(tenant)
        return tenant

    def database(self):
        return self.stack.postgres.url

    def more_secrets(self):
        return {"AWS_SECRET_ACCESS_KEY": "millrace-secret"}

    def start_worker(self):
        return self.start("work")

    def put(self, key, data):
        return self.bucket.put(key, data)

    def delete(self, key):
        self.bucket.delete(key)

    def objects(self):
        return self.bucket.list()

    def backlog(self):
        return self.topic.lag()

    def told_of(self, key):
        return self.topic.told_of(key)

    def break_services(self, **lanes):
        """Faults of the fakes from now on: see tests/fakes/control.py."""
        body = json.dumps(lanes).encode()
        urllib.request.urlopen(
            urllib.request.Request(self.stack.fakes.url + "/_faults", body)
        ).close()

    def seen(self):
        """What the fakes have counted: see tests/fakes/control.py."""
        with urllib.request.urlopen(self.stack.fakes.url + "/_state?brief") as reply:
            return json.load(reply)["stats"]

    def replay(self):
        """The whole topic again, through a fresh worker."""
        self.stop_workers()
        self.topic.rewind()
        self.start_worker()
        self.settle()


class DevWorld(World):
    kind = "dev"

    def __init__(self, dimension=256, **settings):
        super().__init__(**settings)
        Stack("postgres")  # raises Unavailable where `dev` cannot run either
        self.dimension = dimension

    def __enter__(self):
        self.run_dir = common.new_run_dir()
        self.folder = self.run_dir / "documents"
        self.folder.mkdir()
        self.settings = {
            "XDG_STATE_HOME": str(self.run_dir / "state"),
            **self.settings,
        }
        self.store = PostgresStore(self.dimension)
        return self

    def __exit__(self, *exc):
        self.stop_workers(signal.SIGKILL if exc and exc[0] else signal.SIGTERM)
        keep_logs(self)
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def add_tenant(self, tenant=None):
        """`dev` makes the row itself when it finds the folder."""
        self.tenants.append(str(tenant or uuid.uuid4()))
        (self.folder / "users" / self.tenants[-1]).mkdir(parents=True)
        return self.tenants[-1]

    def database(self):
        for file in self.run_dir.glob("state/millrace/*/env"):
            found = re.search(r"^(?:export )?DATABASE_URL=(['\"]?)(.*)\1$", file.read_text(), re.M)
            if found:
                return found[2]
        raise psycopg.OperationalError("dev has not written its env file yet")

    def start_worker(self):
        return self.start("dev", "--dimensions", str(self.dimension), str(self.folder))

    def put(self, key, data):
        """As any program saves a file that others watch: complete, then renamed into place."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.run_dir / "upload"
        fresh.write_bytes(data)
        os.replace(fresh, path)

    def delete(self, key):
        (self.folder / key).unlink()

    def objects(self):
        return {
            str(path.relative_to(self.folder)): (None, path.stat().st_size)
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    def replay(self):
        """`dev` has no topic that outlives it: its next start scans the folder again."""
        self.stop_workers()
        self.start_worker()
        self.settle()


def keep_logs(world):
    """TEST_KEEP names a folder for the logs of a run that failed."""
    if os.environ.get("TEST_KEEP"):
        for log in world.run_dir.rglob("*.log"):
            shutil.copy(log, os.environ["TEST_KEEP"])


def open_world(**options):
    if WANTS_DEV:
        return DevWorld(**options)
    try:
        return RealWorld(**options)
    except common.Unavailable as why:
        print(
            f"NOTE: {why}. The same test runs over `millrace dev` instead: in-process broker, file://.",
            flush=True,
        )
        return DevWorld(**options)


def main():
    """unittest.main with the exit code that ctest understands as skipped."""
    if not os.path.exists(BINARY):
        print(f"{BINARY} is not built")
        sys.exit(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        unittest.main(verbosity=2, argv=[one for one in sys.argv if one != "--dev"])
    except common.Unavailable as why:
        print(f"SKIPPED: {why}")
        sys.exit(SKIPPED)
