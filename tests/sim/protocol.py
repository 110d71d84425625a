"""Deterministic simulation of the ledger's own statements (store/statements) on a real PostgreSQL.

    python3 tests/services/serve.py postgres -- python3 tests/sim/protocol.py SEED_FROM SEED_TO [SABOTAGE]

Two workers, a bucket, a vector store without conditional writes; time is a row that the statements read instead of now().
Faults: kill -9, SIGTERM, freeze, zombies, lost statements and lost replies, swallowed, failed and late store requests, duplicated
and reordered events, overwrites, deletes, re-creation, jobs (registered before or after the upload), cancel, pause, parking,
staged rows that vanish. After each step: live vectors are a part of the store, the store is a part of live and litter. At the
end: counters equal items, rows equal the bucket, and a full replay in another order changes nothing that a reader sees.
A seed that goes wrong is printed and can be run again alone. Needs python3-psycopg; about a second a seed.
"""

import collections
import os
import pathlib
import random
import re
import sys
import uuid

try:
    import psycopg
    from psycopg.rows import dict_row, tuple_row
except ImportError:
    print("SKIPPED: no psycopg (apt-get install python3-psycopg)")
    sys.exit(77)

STORE = pathlib.Path(__file__).resolve().parent.parent.parent / "store"
EPOCH = "'2030-01-01'::timestamptz"
LEASE_S = 15
STEPS = 700

# name -> (statement, text, replacement): each must be caught by some seed
SABOTAGE = {
    "busy_is_done": ("claim", "then 'busy'", "then 'done'"),
    "absorb_at_busy": ("claim", "verdict in ('go', 'parked')", "verdict in ('go', 'parked', 'busy')"),
    "absorb_nothing": ("claim", "verdict in ('go', 'parked')", "verdict = 'never'"),
    "no_lease_check": ("claim", "d.leased_until > now()", "false"),
    "finish_any_fence": ("finish", "and d.fence = e.fence and d.leased_until is not null)", ")"),
    "no_litter_of_old": ("finish", "where $22 and og is not null", "where false and $22 and og is not null"),
    "litter_kept_short": ("intend", "greatest(litter.n, excluded.n)", "least(litter.n, excluded.n)"),
    "sweep_at_once": ("swept", "l.quiet_at <=", "true or l.quiet_at <="),
    "sweep_the_living": ("dead", "and not (d.fence = l.gen and d.leased_until is not null)", ""),
    "counters_twice": ("finish", "processed_count = processed_count + p,", "processed_count = processed_count + 2 * p,"),
    "usage_by_counts": ("finish", "sum(nv - ov) dv", "sum(nv) dv"),
    "keep_clears": ("finish", "when 'keep' then og end as ng", "end as ng"),
    "tombstone_counts": ("finish", "case effect when 'live' then 1 when 'keep' then od else 0 end as nd", "1 as nd"),
}


class Abandon(Exception):
    """The lease may have ended: nothing more may be sent to the store."""


class Lost(Exception):
    """A statement or its reply was lost."""


def statement(name, sabotage):
    text = re.sub(r"--.*", "", (STORE / "statements" / f"{name}.sql").read_text())
    for target, old, new in sabotage:
        if target == name:
            assert old in text, (name, old)
            text = text.replace(old, new)
    text = text.replace("now()", "(select t from clock)").replace("%", "%%")
    return re.sub(r"\$(\d+)", r"%(p\1)s", text)


class Statements:
    NAMES = (
        "claim_jobs claim_documents claim_lock claim lock intend finish release dead dead_any swept due sweep_staged job_register"
    )

    def __init__(self, sabotage):
        for name in self.NAMES.split():
            setattr(self, name, statement(name, sabotage))


def params(*values):
    return {f"p{at}": value for at, value in enumerate(values, 1)}


def make_schema(conn):
    conn.execute("drop schema public cascade; create schema public; create table clock (t timestamptz)")
    for name in ("0001_control", "0002_tenants", "0003_views"):
        conn.execute((STORE / "migrations" / f"{name}.sql").read_text())
    with conn.transaction():
        for name, value in (("schema_prefix", "user_"), ("has_vectors", "off"), ("has_user_schemas", "off")):
            conn.execute("select set_config(%s, %s, true)", (f"millrace.{name}", value))
        conn.execute((STORE / "migrations" / "settings.sql").read_text())


class Worker:
    def __init__(self):
        self.tasks = {}
        self.attempts = {}
        self.is_paused = False
        self.epochs = {}


class Attempt:
    def __init__(self, document, fence, lease, job):
        self.document, self.fence, self.lease, self.job = document, fence, lease, job
        self.reserved, self.is_dirty, self.word = 0, False, "go"


class World:
    def __init__(self, seed, conn, statements):
        self.random = random.Random(seed)
        self.conn, self.sql = conn, statements
        self.time, self.is_calm = 0.0, False
        conn.execute(
            "truncate users, processing_jobs, documents, job_items, litter, chunks, staged_chunks, absorbed_events, clock"
        )
        conn.execute(f"insert into clock values ({EPOCH})")
        self.bucket, self.store, self.late = {}, {}, []
        self.log, self.pending, self.events = [], [], []
        self.workers = [Worker(), Worker()]
        self.last_puts = 4  # which nothing that comes later can make good
        self.put_count, self.jobs, self.stats = 0, [], collections.Counter()
        self.tenants = [uuid.UUID(int=self.random.getrandbits(128)) for _ in range(2)]
        for tenant in self.tenants:
            conn.execute("insert into users (id) values (%s)", (tenant,))
        self.is_hot = seed % 2 == 1  # few keys and quick events: changes meet attempts under way
        self.keys = [(tenant, f"users/{tenant}/{i}.pdf") for tenant in self.tenants for i in range(1 if self.is_hot else 2)]

    def rows(self, sql, *args):
        return self.conn.execute(sql, args or None).fetchall()

    def tick(self, seconds):
        self.time += seconds
        self.conn.execute(f"update clock set t = {EPOCH} + %s * interval '1 second'", (self.time,))

    # -- people and the bucket ------------------------------------------------------------------------

    def emit(self, **event):
        self.events.append(event)
        for _ in range(1 if self.random.random() < 0.8 else 2):
            delay = self.random.choice([0, 0, 0, 1] if self.is_hot else [0, 0, 1, 5, 30])
            self.pending.append(dict(event, id=self.random.getrandbits(60), at=self.time + delay))

    def put(self, user, key):
        self.put_count += 1
        count = self.random.choice([0, 1, 2, 3, 5, 8, 12])
        content = f"v{self.put_count}-{count}"
        if self.random.random() < 0.5:
            content = f"c{self.random.randrange(4)}-{count}"
        if self.random.random() < 0.1:
            content = f"bad{self.put_count}-0"
        self.bucket[key] = content
        self.emit(kind="put", user=user, key=key, etag=content, job=job_id(f"{key}/{self.put_count}"), bare=True)

    def submit(self, user):
        """A job over some keys of a tenant; its objects may be uploaded (again) after it was registered, as submit does."""
        keys = [key for owner, key in self.keys if owner == user]
        uploads = self.random.random() < 0.5
        if not uploads:
            keys = [key for key in keys if key in self.bucket]
        if not keys:
            return
        job, none = uuid.UUID(int=self.random.getrandbits(128)), [None] * len(keys)
        self.conn.execute(
            self.sql.job_register,
            params(job, user, "batch", "{}", 40000, "user_", [document_id(key) for key in keys], ["b"] * len(keys), keys, none,
                   ["upload"] * len(keys), [1] * len(keys)),
        )
        self.jobs.append(job)
        for key in keys:
            if uploads:
                self.put(user, key)
            if self.random.random() < 0.7:  # else the janitor finds the item
                self.emit(kind="put", user=user, key=key, etag=self.bucket[key], job=job, bare=False)

    def act(self):
        user, key = self.random.choice(self.keys)
        choice = self.random.random()
        if choice < 0.6 or key not in self.bucket:
            self.put(user, key)
        elif choice < 0.8:
            del self.bucket[key]
            self.emit(kind="removed", user=user, key=key, etag=None, job=None, bare=False)
        elif choice < 0.93:
            self.submit(user)
        elif self.jobs:
            control = self.random.choice(["cancel", "pause", "none"])
            self.control(self.random.choice(self.jobs), control)

    def control(self, job, control):
        self.conn.execute("update processing_jobs set control = %s where id = %s and control <> 'cancel'", (control, job))

    # -- the vector store -----------------------------------------------------------------------------

    def apply(self, operation):
        kind, what = operation
        if kind == "upsert":
            self.store.update(what)
        for vector in what if kind == "delete" else ():
            self.store.pop(vector, None)

    def request(self, attempt, operation):
        while True:
            yield
            if attempt and self.time >= attempt.lease:
                raise Abandon
            choice = self.random.random()
            if choice < 0.75 or self.is_calm:
                self.apply(operation)
                return
            if attempt:
                attempt.is_dirty = True
            if choice < 0.82:
                self.apply(operation)
            elif choice < 0.92:
                self.late.append((self.time + self.random.random() * 30, operation))

    # -- statements that may be lost, before or after they took effect -----------------------------------

    def transaction(self, statements, arguments):
        choice = self.random.random()
        if not self.is_calm and choice < 0.04:
            raise Lost
        with self.conn.transaction():
            for text in statements:
                cursor = self.conn.execute(text, arguments)
            cursor.row_factory = tuple_row
            rows = cursor.fetchall() if cursor.description else None
        if not self.is_calm and choice < 0.10:
            raise Lost
        return rows

    def sure(self, statements, arguments):
        while True:
            try:
                return self.transaction(statements, arguments)
            except Lost:
                self.stats["lost"] += 1
                yield

    def beat(self, worker):
        attempts = sorted(worker.attempts.values(), key=lambda attempt: attempt.document)
        if not attempts or (not self.is_calm and self.random.random() < 0.05):
            return
        sent = self.time
        arguments = params(
            [a.document for a in attempts], [a.fence for a in attempts], [a.reserved for a in attempts], LEASE_S * 1000
        )
        try:
            rows = self.transaction([self.sql.lock, self.sql.intend], arguments)
        except Lost:
            return
        for at, word in rows:
            attempts[at - 1].word = word
            if word == "go":
                attempts[at - 1].lease = sent + LEASE_S

    # -- a task ---------------------------------------------------------------------------------------

    def task(self, worker, event):
        while True:
            held = [None]
            try:
                yield
                if (yield from self.attempt(worker, event, held)):
                    return
            except Abandon:
                self.stats["abandon"] += 1
            finally:
                if held[0]:
                    worker.attempts.pop(held[0].document, None)

    def claim(self, event, fence):
        document = document_id(event["key"])
        ids = ([document], [event["user"]], [event["job"]], [event["bare"]])
        while True:
            try:
                choice = self.random.random()
                if not self.is_calm and choice < 0.04:
                    raise Lost
                with self.conn.transaction():
                    self.conn.execute(self.sql.claim_jobs, params(*ids, "user_"))
                    self.conn.execute(self.sql.claim_documents, params(*ids, "user_", ["b"], [event["key"]]))
                    self.conn.execute(self.sql.claim_lock, params(ids[0], ids[2]))
                    cursor = self.conn.execute(self.sql.claim, params(*ids, [fence], "p1", "user_", LEASE_S * 1000))
                    cursor.row_factory = tuple_row
                    row = cursor.fetchone()
                if not self.is_calm and choice < 0.10:
                    raise Lost
                return row
            except Lost:
                self.stats["lost"] += 1
                yield

    def finish(self, attempt, effect, outcome, code=None, etag=None, chunks=()):
        count = len(chunks)
        arguments = params(
            [attempt.document], [attempt.fence], [attempt.job], [effect], [outcome], [code], [code and "because"], [etag],
            [count * 100], [count], [1], [count], [attempt.is_dirty], [None], [None], [None], [None], [False], [False], "p1",
            True, True,
        )
        is_staged = False
        while True:
            yield
            if not is_staged and count:
                self.stage(attempt, chunks)
                is_staged = self.is_calm or self.random.random() < 0.95  # else the reply is lost: staged again
                continue
            if not self.is_calm and self.random.random() < 0.03:  # a crash of the server empties unlogged tables
                self.conn.execute("truncate staged_chunks")
            answer = (yield from self.sure([self.sql.lock, self.sql.finish], arguments))[0][1]
            self.stats[f"finish {effect} {answer}"] += 1
            if answer != "restage":
                return answer
            is_staged = False

    def stage(self, attempt, chunks):
        for no, content in enumerate(chunks):
            self.conn.execute(
                "insert into staged_chunks values (%s, %s, %s, 1, 1, 0, 1, '', 1, '', %s, null)",
                (attempt.document, attempt.fence, no, content),
            )

    def park(self, attempt):
        """Answers whether the event may settle."""
        arguments = params(
            [attempt.document], [attempt.fence], [attempt.job], [True], [20000], ["over_quota"], ["because"]
        )
        rows = yield from self.sure([self.sql.lock, self.sql.release], arguments)
        self.stats[f"park {rows[0][1]}"] += 1
        return rows[0][1] == 1

    def attempt(self, worker, event, held):
        fence, sent = self.random.getrandbits(62), self.time
        claim = yield from self.claim(event, fence)
        _, verdict, item_job, gen, etag, _, _, _, control, *_ = claim
        self.stats[verdict] += 1
        if verdict in ("busy", "again"):
            for _ in range(5):
                yield
            return False
        if verdict != "go":
            return True
        attempt = held[0] = Attempt(document_id(event["key"]), fence, sent + LEASE_S, item_job)
        worker.attempts[attempt.document] = attempt
        is_live = gen is not None
        is_parked = control == "pause" or (event["kind"] == "put" and not self.is_calm and self.random.random() < 0.05)
        if is_parked and control != "cancel":
            if (yield from self.park(attempt)):
                return True
            return False
        if control == "cancel":
            same = is_live and self.bucket.get(event["key"]) == etag
            effect = "keep" if same else "drop"
            answer = yield from self.finish(attempt, effect, "cancelled", "cancelled", event["etag"])
        else:
            answer = yield from self.work(attempt, event, is_live, etag)
        yield from self.sweep(attempt.document)
        return answer == "ok"

    def work(self, attempt, event, is_live, etag):
        yield
        got = self.bucket.get(event["key"])
        if self.random.random() < 0.2 and (not self.is_calm or self.last_puts > 0):
            self.last_puts -= self.is_calm
            self.put(event["user"], event["key"])  # overwritten just after it was read
        if got is None:
            return (yield from self.finish(attempt, "gone", "skipped", "gone"))
        if is_live and got == etag:
            return (yield from self.finish(attempt, "keep", "skipped", "unchanged"))
        if got.startswith("bad"):
            return (yield from self.finish(attempt, "drop", "failed", "bad", got))
        count = int(got.split("-")[1])
        for first in range(0, count, 2):
            if first + 2 > attempt.reserved:
                attempt.reserved, sent = max(4, 2 * attempt.reserved), self.time
                arguments = params([attempt.document], [attempt.fence], [attempt.reserved], LEASE_S * 1000)
                attempt.word = (yield from self.sure([self.sql.lock, self.sql.intend], arguments))[0][1]
                if attempt.word == "go":
                    attempt.lease = sent + LEASE_S
            if attempt.word != "go":
                break
            vectors = {(str(attempt.document), attempt.fence, no): (got, no) for no in range(first, min(first + 2, count))}
            yield from self.request(attempt, ("upsert", vectors))
        if attempt.word != "go":
            return (yield from self.finish(attempt, "drop", "cancelled", "cancelled", got))
        return (yield from self.finish(attempt, "live", "success", None, got, [f"{got}/{no}" for no in range(count)]))

    # -- sweep and janitor ------------------------------------------------------------------------------

    def sweep(self, document=None):
        if document:
            rows = yield from self.sure([self.sql.dead], params([document]))
        else:
            rows = yield from self.sure([self.sql.dead_any], params(1000))
        for _, owner, _, gen, count, as_of in rows:
            yield from self.request(None, ("delete", [(str(owner), gen, no) for no in range(count)]))
            yield from self.sure([self.sql.swept], params([owner], [gen], [as_of]))

    def janitor(self, worker):
        yield from self.sweep()
        yield from self.sure([self.sql.sweep_staged], {})
        rows = yield from self.sure([self.sql.due], params(10))
        for _, job, document, user, _, key, _ in rows:
            if job is None or any(task[1] and task[1]["key"] == key for task in worker.tasks.values()):
                continue
            event = dict(kind="put", user=user, key=key, etag=self.bucket.get(key), job=job, bare=False)
            yield from self.task(worker, event)

    # -- the scheduler ----------------------------------------------------------------------------------

    def step(self, worker):
        if not worker.tasks:
            return
        name = self.random.choice(list(worker.tasks))
        task, event = worker.tasks[name]
        try:
            next(task)
        except StopIteration:
            del worker.tasks[name]
            if event and worker.epochs.get(event["id"]) == event["epoch"]:
                self.log = [x for x in self.log if (x["id"], x["epoch"]) != (event["id"], event["epoch"])]

    def again(self, event):
        for logged in self.log:
            if (logged["id"], logged["epoch"]) == (event["id"], event["epoch"]):
                self.log.remove(logged)
                self.pending.append(dict(event, at=self.time + self.random.choice([0, 1, 6])))
                return

    def lose_partition(self, worker):
        for _, event in list(worker.tasks.values()):
            if event:
                self.again(event)
                worker.epochs[event["id"]] = None

    def deliver(self):
        due = [event for event in self.pending if event["at"] <= self.time]
        workers = [worker for worker in self.workers if not worker.is_paused]
        if not due or not workers:
            return
        event, worker = self.random.choice(due), self.random.choice(workers)
        if any(running and running["key"] == event["key"] for _, running in worker.tasks.values()):
            return  # one task per object in a process
        self.pending.remove(event)
        event = dict(event, epoch=self.random.getrandbits(60))
        self.log.append(event)
        worker.epochs[event["id"]] = event["epoch"]
        worker.tasks[event["epoch"]] = (self.task(worker, event), event)

    def replace(self, worker, releases):
        if releases:
            for attempt in sorted(worker.attempts.values(), key=lambda attempt: attempt.document):
                arguments = params([attempt.document], [attempt.fence], [attempt.job], [False], [0], [None], [None])
                with self.conn.transaction():
                    self.conn.execute(self.sql.lock, arguments)
                    self.conn.execute(self.sql.release, arguments)
        for _, event in worker.tasks.values():
            if event:
                self.again(event)
        self.workers[self.workers.index(worker)] = Worker()

    def land_late(self):
        for entry in [entry for entry in self.late if entry[0] <= self.time]:
            self.late.remove(entry)
            self.apply(entry[1])

    def happen(self):
        choice, worker = self.random.random(), self.random.choice(self.workers)
        if choice < 0.06:
            self.act()
        elif choice < (0.24 if self.is_hot else 0.16):
            self.deliver()
        elif choice < 0.30:
            self.tick(self.random.choice([0.1, 0.5, 1, 3]))
        elif choice < 0.38:
            if not worker.is_paused:
                self.beat(worker)
        elif choice < 0.385:
            self.replace(worker, False)
        elif choice < 0.3875 and not worker.is_paused:
            self.replace(worker, True)
        elif choice < 0.39:
            worker.is_paused = True
            self.lose_partition(worker)
        elif choice < 0.40:
            self.lose_partition(worker)  # it goes on as a zombie
        elif choice < 0.42:
            worker.is_paused = False
        elif choice < 0.421:
            self.tick(self.random.choice([20, 60, 200]))
        elif choice < 0.43 and not worker.is_paused:
            worker.tasks[("janitor", self.random.random())] = (self.janitor(worker), None)
        elif not worker.is_paused:
            self.step(worker)

    def run(self):
        for _ in range(STEPS):
            self.land_late()
            self.happen()
            wrong = self.instant() if self.random.random() < 0.2 else None
            if wrong:
                return [wrong]
        for job in self.jobs:
            self.conn.execute("update processing_jobs set control = 'none' where id = %s and control = 'pause'", (job,))
        wrong = self.quiet()
        bad = [wrong] if wrong else self.audit()
        if bad:
            return bad
        self.last_puts = 0
        before = (self.dump(), dict(self.store))
        events = list({repr(event): event for event in self.events}.values())
        self.random.shuffle(events)
        self.pending = [dict(event, at=self.time, id=self.random.getrandbits(60)) for event in events]
        wrong = self.quiet()
        if wrong:
            return ["replay: " + wrong]
        if before != (self.dump(), self.store):
            pairs = zip(before[0], self.dump())
            return ["replay changed " + str([(x, y) for a, b in pairs for x, y in zip(a, b) if x != y][:1])]
        return self.audit()

    def quiet(self):
        self.is_calm, janitors = True, 0
        for worker in self.workers:
            worker.is_paused = False
        for _ in range(9000):
            for worker in self.workers:
                self.beat(worker)
            self.land_late()
            self.deliver()
            for worker in self.workers:
                self.step(worker)
            self.tick(0.2)
            if self.pending or self.log or self.late or any(worker.tasks for worker in self.workers):
                continue
            janitors += 1
            self.tick(60)
            self.workers[0].tasks["janitor"] = (self.janitor(self.workers[0]), None)
            is_open = self.rows("select 1 from job_items where outcome is null limit 1")
            if janitors > 6 and not is_open:
                del self.workers[0].tasks["janitor"]
                return None
            if janitors > 150:
                return "open items stay"
        return "no quiet"

    # -- what must hold ---------------------------------------------------------------------------------

    def instant(self):
        live = set()
        for row in self.rows("select id, gen, etag, chunk_count from documents where gen is not null"):
            for no in range(row["chunk_count"]):
                vector = (str(row["id"]), row["gen"], no)
                live.add(vector)
                if self.store.get(vector) != (row["etag"], no):
                    return f"live vector {vector} is {self.store.get(vector)}"
        litter = {(str(row["document_id"]), row["gen"]): row["n"] for row in self.rows("select * from litter")}
        for vector in self.store:
            if vector not in live and litter.get(vector[:2], 0) <= vector[2]:
                return f"vector {vector} is neither live nor litter"
        return None

    def dump(self):
        return [
            self.rows(sql)
            for sql in (
                "select id, user_id, job_id, status, error_code, etag, file_size, chunk_count, gen, deleted_at from documents "
                "order by 1",
                "select id, status, total_documents, processed_count, failed_count, cancelled_count, completed_at from "
                "processing_jobs order by 1",
                "select * from job_items order by 1, 2",
                "select * from users order by 1",
                "select document_id, gen, n from litter",
                "select document_id, chunk_no, content from chunks order by 1, 2",
            )
        ]

    def audit(self):
        bad = []
        live = {}
        documents = {row["id"]: row for row in self.rows("select * from documents")}
        for user, key in self.keys:
            row, content = documents.get(document_id(key)), self.bucket.get(key)
            if row is None:
                bad += [f"no row of {key}"] if content is not None else []
            else:
                bad += self.audit_document(row, content, live)
        if live != self.store:
            missing, extra = [v for v in live if v not in self.store], [v for v in self.store if v not in live]
            bad.append(f"vectors: missing {missing[:3]} extra {extra[:3]}")
        for table in ("litter", "staged_chunks"):
            if self.rows(f"select 1 from {table}"):
                bad.append(f"{table} left")
        return bad + self.audit_counters()

    def audit_document(self, row, content, live):
        bad = []
        chunks = [c["content"] for c in self.rows("select content from chunks where document_id = %s order by chunk_no", row["id"])]
        if row["status"] not in ("success", "failed", "skipped", "cancelled") or row["leased_until"]:
            bad.append(f"not final: {row}")
        if row["status"] == "success":
            count = int(row["etag"].split("-")[1])
            if content != row["etag"]:
                bad.append(f"the row is {row['etag']}, the bucket {content}")
            if chunks != [f"{content}/{no}" for no in range(count)]:
                bad.append(f"chunks {chunks}")
            live.update({(str(row["id"]), row["gen"], no): (row["etag"], no) for no in range(count)})
            return bad
        if row["gen"] is not None or chunks:
            bad.append(f"{row['status']} has vectors or chunks")
        if content is not None and row["status"] != "cancelled" and content.startswith("bad") != (row["status"] == "failed"):
            bad.append(f"{content} ended {row['status']} {row['error_code']}")
        return bad

    def audit_counters(self):
        bad = []
        for row in self.rows(
            "select j.*, n, p, f, c from processing_jobs j join lateral (select count(*) n, count(*) filter (where outcome in "
            "('success', 'skipped')) p, count(*) filter (where outcome = 'failed') f, count(*) filter (where outcome = "
            "'cancelled') c from job_items i where i.job_id = j.id) i on true"
        ):
            got = (row["total_documents"], row["processed_count"], row["failed_count"], row["cancelled_count"])
            is_open = row["status"] in ("pending", "processing")
            if got != (row["n"], row["p"], row["f"], row["c"]) or sum(got[1:]) != got[0] or is_open:
                bad.append(f"job {row}")
        for row in self.rows(
            "select u.*, count(d.gen) n, coalesce(sum(d.file_size) filter (where d.gen is not null), 0) b, "
            "coalesce(sum(d.chunk_count), 0) v from users u left join documents d on d.user_id = u.id group by u.id"
        ):
            if (row["n"], row["b"], row["v"]) != (row["total_documents"], row["total_storage_bytes"], row["total_vectors"]):
                bad.append(f"usage {row}")
        return bad


def job_id(name):
    return uuid.uuid5(uuid.NAMESPACE_URL, name)


def document_id(key):
    return uuid.uuid5(uuid.NAMESPACE_URL, key)


def simulate(conn, first, end, sabotage):
    statements, wrong, total = Statements(sabotage), 0, collections.Counter()
    for seed in range(first, end):
        world = World(seed, conn, statements)
        try:
            bad = world.run()
        except (psycopg.Error, AssertionError) as error:
            bad = [repr(error)[:600]]
        total.update(world.stats)
        if bad:
            wrong += 1
            print(f"seed {seed}: {bad[:4]}")
            if sabotage:
                break
    return wrong, total


def main():
    first, end = int(sys.argv[1]), int(sys.argv[2])
    names = sys.argv[3:]
    conn = psycopg.connect(os.environ["TEST_DATABASE_URL"], autocommit=True, row_factory=dict_row)
    conn.execute("set client_min_messages = warning; set synchronous_commit = off")
    make_schema(conn)
    if names == ["all"]:
        missed = [name for name in SABOTAGE if not simulate(conn, first, end, [SABOTAGE[name]])[0]]
        print(f"{len(missed)} of {len(SABOTAGE)} sabotaged variants were not caught: {missed}")
        return bool(missed)
    wrong, total = simulate(conn, first, end, [SABOTAGE[name] for name in names])
    print(f"{wrong} wrong of {end - first} seeds", dict(total))
    return bool(wrong) != bool(names)


if __name__ == "__main__":
    sys.exit(main())
