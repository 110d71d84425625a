"""What happens in a seed of the protocol's simulation: people, a bucket, a topic, a vector store, and two workers that die.

A worker keeps requests in lanes, as the product does: a batch takes what has come together, a document at most once, and is
lost before or after it took effect.
"""

import collections
import hashlib
import random
import uuid

from protocol_sql import APART, SCHEMA_PREFIX, SHARED, chunk_table, document_id, wall_ms
from protocol_task import LEASE_S, Task, janitor

STEPS = 500
NOTHING = (-1000, 0, None, 0)  # of a key's history: since when, how long one may see what was before, eTag, Last-Modified
LAG_S = 20  # a view of the bucket is at most so old
APART_S = 1.5  # nearer changes cannot be told apart: Last-Modified has seconds
PULSE_S = 5
# Whether a job over a tenant's objects comes before, and three changes of each: what it is, and as which of them it is told.
PLOTS = (
    (False, ("remove", 0), ("put", 2), ("put", 1)),  # the last is told while the removal is looked at, the middle one after that
    (True, ("put", 0), ("remove", 1), ("again", 2)),  # the same bytes are told while somebody is at work who saw none
)
WORDS = [f"word {no}" for no in range(7)]


def hash_of(text):
    return "\\x" + hashlib.sha256(text.encode()).hexdigest()


def number_of(text):
    """What stands for a text in a vector of numbers."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:4], 16)


class Worker:
    def __init__(self):
        self.tasks = {}
        self.attempts = {}
        self.lanes = {kind: [] for kind in ("claim", "intend", "finish", "release", "bury")}
        self.is_paused = False
        self.epochs = {}


class World:
    def __init__(self, seed, database):
        self.random, self.sql = random.Random(seed), database
        self.is_shared, self.has_rows, self.is_hot = seed % 2 == 0, seed // 2 % 4 == 0, seed // 8 % 2 == 0
        self.is_versioned = self.random.random() < 0.5
        self.time = database.time = 0.0
        self.is_calm, self.is_changed, self.last_puts, self.last_parks = False, False, 4, 4
        self.lag = self.random.choice([0, 0.5])
        self.tenants = (SHARED if self.is_shared else APART)[:3]
        self.unknown = self.tenants[2]
        self.signs_up_at = self.random.choice([20, 60, None])
        database.empty((SHARED + APART)[:2] + APART[:2])
        self.bucket, self.contents, self.store, self.late = {}, {}, {}, []
        self.history = {}  # what a key held, and since when that can be told
        self.log, self.pending, self.events = [], [], []
        self.workers = [Worker(), Worker()]
        self.put_count, self.event_count, self.jobs, self.stats = 0, 0, [], collections.Counter()
        self.was_inactive, self.forged, self.trespass = set(), set(), None
        keys = 1 if self.is_hot else 2
        self.keys = [(tenant, f"users/{tenant}/{no}.pdf") for tenant in self.tenants for no in range(keys)][: 2 * keys + 1]

    def tick(self, seconds):
        self.time += seconds
        self.sql.time = self.time
        if self.signs_up_at is not None and self.time >= self.signs_up_at:
            self.signs_up_at = None
            self.sql.run(f"insert into users (id) values ('{self.unknown}') on conflict do nothing")

    # -- people and the bucket ------------------------------------------------------------------------

    def emit(self, **event):
        self.event_count += 1
        event = dict({"time": self.time}, **event, no=self.event_count)
        self.events.append(event)
        for _ in range(1 if self.random.random() < 0.8 else 2):
            delay = self.random.choice([0, 0, 0, 1] if self.is_hot else [0, 0, 1, 5, 30])
            self.pending.append(dict(event, id=self.random.getrandbits(60), at=self.time + delay))

    def current(self, key):
        versions = self.bucket.get(key)
        return versions[-1][0] if versions else None

    def change(self, key, versions, uncovers=False):
        self.bucket[key] = versions
        last = versions[-1] if versions else (None, wall_ms(self.time))
        lag = 0 if uncovers else LAG_S  # without version ids nobody can tell what is uncovered: it is seen at once
        self.history.setdefault(key, [NOTHING]).append((self.time, self.time + lag, *last))

    def look(self, key):
        """eTag and Last-Modified; the view may lag, and go back behind what was seen before."""
        history = self.history.get(key, [NOTHING])
        at = len(history) - 1
        while (at and history[at][1] > self.time and history[at - 1][0] + APART_S < history[at][0] and self.random.random() < self.lag):
            at -= 1
        return history[at][2:]

    def new_content(self):
        """The bytes of an object: bad ones, some that come again and again, words that others have, too."""
        count = self.random.choice([0, 1, 2, 3, 5, 8, 12])
        choice = self.random.random()
        etag = f"v{self.put_count}" if choice < 0.5 else f"c{self.random.randrange(4)}"
        if choice < 0.15:
            etag, count = f"bad{self.put_count}", 0
        self.contents.setdefault(etag, [self.random.choice(WORDS) if self.random.random() < 0.6 else f"{etag} {no}"
                                        for no in range(count)])
        return etag

    def put(self, user, key, etag=None):
        self.put_count += 1
        etag = etag or self.new_content()
        below = self.bucket.get(key, []) if self.is_versioned else []
        self.change(key, [*below, (etag, wall_ms(self.time))])
        self.emit(kind="put", user=user, key=key, etag=etag, job=document_id(f"{key}/{self.put_count}"), bare=True)

    def remove(self, user, key):
        """In a versioned bucket a delete marker comes; or a version goes, or a marker, and uncovers what no event tells."""
        versions = self.bucket[key]
        is_marked = self.is_versioned and versions[-1][0] and self.random.random() < 0.4
        versions = [*versions, (None, wall_ms(self.time))] if is_marked else versions[:-1]
        self.change(key, versions, self.is_versioned)
        self.emit(kind="removed", user=user, key=key, etag=None, job=None, bare=False)

    def rush(self):
        """Three changes of each object in a few seconds: events overtake each other, views lag, the janitor comes early."""
        self.last_parks, self.lag, begin = 5, 0.7, self.time
        plots = {user: self.random.choice([*PLOTS, *PLOTS, self.any_plot()]) for user in dict(self.keys)}
        for user, (has_job, *_) in plots.items():
            if has_job:
                self.submit(user)
        for no in (1, 2, 3):
            self.tick(2)
            for user, key in self.keys:
                kind, rank = plots[user][no]
                if kind == "remove" and self.bucket.get(key):
                    self.remove(user, key)
                else:
                    self.put(user, key, self.before(key) if kind == "again" else None)
                self.pending[-1]["at"] = begin + 6 + rank * self.random.choice([0.4, 2, 4])
        self.late += [(self.time + seconds, ("janitor", self.workers[0])) for seconds in (3, 5, 8)]

    def any_plot(self):
        changes = [(self.random.choice(["put", "put", "remove"]), self.random.randrange(3)) for _ in range(3)]
        return self.random.random() < 0.5, *changes

    def before(self, key):
        """What a key held before its last change."""
        return self.history[key][-2][2]

    def clear(self):
        """Objects go that nothing is told of any more, and the delete markers on top: what they hid must come back."""
        self.last_parks = 2
        for user, key in self.keys:
            if self.bucket.get(key) and (not self.current(key) or self.random.random() < 0.3):
                self.remove(user, key)

    def regret(self):
        """Somebody hands in a job and cancels it at once."""
        jobs = len(self.jobs)
        self.submit(self.random.choice(self.keys)[0])
        for job in self.jobs[jobs:]:
            self.control(job, "cancel")

    def submit(self, user):
        """A job over some keys of a tenant; its objects may be uploaded (again) after it was registered, as submit does."""
        keys = [key for owner, key in self.keys if owner == user]
        uploads = self.random.random() < 0.5
        if not uploads:
            keys = [key for key in keys if self.current(key)]
        if not keys:
            return
        job, none, count = uuid.UUID(int=self.random.getrandbits(128)), [None] * len(keys), len(keys)
        documents = [document_id(key) for key in keys]
        answer = self.sql.ask(
            "job_register", job, user, "batch", "{}", 40000, SCHEMA_PREFIX, documents, ["b"] * count, keys, none,
            ["upload"] * count, [1] * count, none,
        )
        if answer[0][1] == "0":
            return  # no such user yet
        self.jobs.append(job)
        for key in keys:
            if uploads:
                self.put(user, key)
            if self.random.random() < 0.7:  # else the janitor finds the item
                etag, modified_ms = self.bucket[key][-1]
                self.emit(kind="put", user=user, key=key, etag=etag, job=job, bare=False, time=(modified_ms - wall_ms(0)) / 1000)

    def forge(self, user, key):
        """An event with a job that does not have the document: nobody's, or another tenant's."""
        others = [job for job in self.jobs if self.owner_of(job) != user]
        job = self.random.choice(others) if others and self.random.random() < 0.8 else document_id(f"forged {self.event_count}")
        self.emit(kind="put", user=user, key=key, etag="forged", job=job, bare=False)
        self.forged.add(self.event_count)

    def is_stranger(self):
        return not self.sql.run(f"select 1 from users where id = '{self.unknown}'")

    def owner_of(self, job):
        return uuid.UUID(self.sql.run(f"select user_id from processing_jobs where id = '{job}'")[0][0])

    def act(self):
        user, key = self.random.choice(self.keys)
        choice = self.random.random()
        if choice < 0.50 or not self.bucket.get(key):
            self.put(user, key)
        elif choice < 0.68:
            self.remove(user, key)
        elif choice < 0.81:
            self.submit(user)
        elif choice < 0.83:
            self.forge(user, key)
        elif choice < 0.92 and self.jobs:
            self.control(self.random.choice(self.jobs), self.random.choice(["cancel", "cancel", "pause", "none"]))
        elif choice < 0.97:
            self.retry()
        elif choice < 0.99:
            self.limit(user, self.random.choice([0, 100]))
        elif self.random.random() < 0.3:
            self.was_inactive.add(user)
            self.sql.run(f"update users set is_active = false where id = '{user}'")

    def control(self, job, word):
        """As people's commands do, which may end in the middle."""
        self.is_changed = True
        if word != "pause":
            self.sql.ask("job_unpark", job, word)
        self.sql.ask("job_control", job, word, "somebody")
        most = self.random.choice([1, 2, 5000])
        for _ in range(self.random.choice([0, 1, 3])):  # nothing happens to a job that is not cancelled
            ended = self.sql.ask("job_cancel_items", job, most, "because")
            self.stats["cancelled at once"] += int(ended[0][0])

    def retry(self):
        jobs = self.sql.run("select id from processing_jobs order by failed_count > 0 desc, id limit 4")
        if jobs:
            self.is_changed = True
            most = self.random.choice([1, 5000])
            answer = self.sql.ask("job_retry", self.random.choice(jobs)[0], most, None, "somebody")
            self.stats["retried"] += int(answer[0][2])

    def limit(self, user, documents):
        self.sql.run(
            f"insert into tenant_settings (user_id, documents_max) values ('{user}', {documents}) "
            "on conflict (user_id) do update set documents_max = excluded.documents_max"
        )

    # -- the vector store -----------------------------------------------------------------------------

    def apply(self, operation):
        kind, what = operation
        self.is_changed = True
        if kind == "upsert":
            self.store.update(what)
        elif kind == "janitor":
            what.tasks[("janitor", self.time)] = (janitor(self, what), None)
        for vector in what if kind == "delete" else ():
            self.store.pop(vector, None)

    # -- statements that may be lost, before or after they took effect -----------------------------------

    def is_lost(self, one_in):
        is_lost = not self.is_calm and self.random.random() * one_in < 1
        self.stats["lost"] += is_lost
        return is_lost

    def sure(self, name, *values):
        """A statement of its own, asked until there is an answer."""
        while self.is_lost(25):
            yield
        while True:
            self.is_changed = True
            rows = self.sql.ask(name, *values)
            if not self.is_lost(16):
                return rows
            yield

    def flush(self, worker, kind):
        """A batch of what has come together."""
        batch = {}
        for request in worker.lanes[kind][: self.random.choice([1, 2, 9])]:
            batch.setdefault(request.document, request)
        requests = sorted(batch.values(), key=lambda request: request.document)
        for request in requests:
            request.sent = self.time
        if not requests or self.is_lost(25):
            return
        self.is_changed = True
        answers = {int(row[0]): row[1:] for row in self.run_batch(kind, [request.row for request in requests])}
        if self.is_lost(16):
            return
        for at, request in enumerate(requests, 1):
            worker.lanes[kind].remove(request)
            request.answer = answers[at]
            if request.on_answer:
                request.on_answer(request)

    def run_batch(self, kind, rows):
        columns = [list(column) for column in zip(*rows)]
        if kind == "claim":
            return self.run_claim(*columns)
        if kind == "bury":
            return self.sql.ask("bury", *columns)
        lock = ("lock", columns[0])
        if kind == "intend":
            return self.sql.ask_all([lock, ("intend", *columns, LEASE_S * 1000)])[-1]
        if kind == "finish":
            return self.sql.ask_all([lock, ("finish", *columns, "p1", self.is_shared, not self.has_rows)])[-1]
        others = ("others", *columns[:2])
        _, before, answers, after = self.sql.ask_all([lock, others, ("release", *columns), others])
        if before != after:
            self.trespass = "a release touched the lease of another attempt"
        return answers

    def run_claim(self, documents, users, jobs, bare, fences, uncovers, times, etags, keys):
        ids, buckets, lease_ms, has_bare = (documents, users, jobs, bare), ["b"] * len(keys), LEASE_S * 1000, any(bare)
        made = [
            ("claim_jobs", *ids, SCHEMA_PREFIX, times, etags, "p1"),
            ("claim_documents", *ids, SCHEMA_PREFIX, buckets, keys, fences, lease_ms, times, etags),
        ]
        claim = ("claim", *ids, fences, "p1", SCHEMA_PREFIX, lease_ms, uncovers, times, etags, has_bare)
        return self.sql.ask_all([*(made if has_bare else []), ("claim_lock", documents, jobs), claim])[-1]

    def known(self, document, user, gen, texts):
        """Number of the live generation's chunk with the same text, by number of ours."""
        rows = self.sql.ask(f"known {chunk_table(user)}", [document], gen, [hash_of(text) for text in texts])
        return {int(at) - 1: int(no) for at, no in rows}

    def stage(self, attempt, texts, vectors):
        rows = ", ".join(
            f"('{attempt.document}', {attempt.fence}, {no}, 1, 1, 0, 1, '', 1, '{hash_of(text)}', '{text}', "
            f"{self.row_vector(vectors[no])})"
            for no, text in enumerate(texts)
        )
        self.sql.run("insert into staged_chunks values " + rows)

    def row_vector(self, vector):
        """A vector as a row has it: two numbers that stand for text and tenant."""
        text, user = vector
        return f"'{{{number_of(text)},{self.tenants.index(user)}}}'" if self.has_rows else "null"

    def stored_vector(self, document, user, gen, no):
        """A vector of a generation, for as long as it is there."""
        if not self.has_rows:
            return self.store.get((str(document), gen, no))
        rows = self.sql.run(
            f"select embedding[1], embedding[2] from {chunk_table(user)} c join documents d on d.id = c.document_id "
            f"and d.gen = {gen} where c.document_id = '{document}' and c.chunk_no = {no}"
        )
        if not rows:
            return None
        texts = {number_of(text): text for content in self.contents.values() for text in content}
        return texts[int(rows[0][0])], self.tenants[int(rows[0][1])]

    def beat(self, worker):
        """Renews what is in flight."""
        for attempt in worker.attempts.values():
            if not attempt.is_asking:
                attempt.ask(worker)

    # -- the scheduler ----------------------------------------------------------------------------------

    def step(self, worker):
        lanes = [kind for kind, lane in worker.lanes.items() if lane]
        if lanes and self.random.random() < 0.4:
            self.flush(worker, self.random.choice(lanes))
        elif worker.tasks:
            self.advance(worker, self.random.choice(list(worker.tasks)))

    def advance(self, worker, name):
        steps, event = worker.tasks[name]
        try:
            next(steps)
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

    def start(self, worker, event):
        """One task per object in a process."""
        if any(running and running["key"] == event["key"] for _, running in worker.tasks.values()):
            return False
        event = dict(event, epoch=self.random.getrandbits(60))
        worker.epochs[event["id"]] = event["epoch"]
        worker.tasks[event["epoch"]] = (Task(self, worker, event).run(), event)
        self.log.append(event)
        return True

    def deliver(self):
        due = [event for event in self.pending if event["at"] <= self.time]
        workers = [worker for worker in self.workers if not worker.is_paused]
        if due and workers:
            event = self.random.choice(due)
            if self.start(self.random.choice(workers), event):
                self.pending.remove(event)

    def replace(self, worker, releases):
        """Killed, or drained: then leases are given back."""
        for attempt in sorted(worker.attempts.values(), key=lambda attempt: attempt.document) if releases else ():
            row = (attempt.document, attempt.fence, attempt.job, False, 0, None, None)
            self.run_batch("release", [row])
        if not releases and self.random.random() < 0.5:  # the last words of the dead
            lanes = [kind for kind, lane in worker.lanes.items() if lane]
            self.flush(worker, self.random.choice(lanes)) if lanes else None
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
        elif choice < 0.34:
            self.beat(worker) if not worker.is_paused else None
        elif choice < 0.345:
            self.replace(worker, False)
        elif choice < 0.3475 and not worker.is_paused:
            self.replace(worker, True)
        elif choice < 0.35:
            worker.is_paused = True
            self.lose_partition(worker)
        elif choice < 0.36:
            self.lose_partition(worker)  # it goes on as a zombie
        elif choice < 0.38:
            worker.is_paused = False
        elif choice < 0.381:
            self.tick(self.random.choice([20, 60, 200]))
        elif choice < 0.39 and not worker.is_paused:
            worker.tasks[("janitor", self.random.random())] = (janitor(self, worker), None)
        elif not worker.is_paused:
            self.step(worker)

    def quiet(self):
        """Nothing fails any more: everything must come to rest. Answers what does not."""
        self.is_calm, janitors, beaten = True, 0, self.time
        for worker in self.workers:
            worker.is_paused = False
        for _ in range(9000):
            if self.time - beaten >= PULSE_S:
                beaten = self.time
                for worker in self.workers:
                    self.beat(worker)
            self.land_late()
            for _ in range(4):  # as they are told, more or less
                self.deliver()
            for worker in self.workers:
                for kind in worker.lanes:
                    self.flush(worker, kind)
                for name in list(worker.tasks):
                    self.advance(worker, name)
            self.tick(0.2)
            if self.pending or self.log or self.late or any(worker.tasks for worker in self.workers):
                continue
            if janitors > 6 and not self.sql.run(
                "select 1 from job_items where outcome is null union all select 1 from documents where look_due is not null limit 1"
            ):
                return None
            if janitors > 150:
                return "open items, or looks, stay"
            janitors += 1
            self.tick(60)
            self.workers[0].tasks["janitor"] = (janitor(self, self.workers[0]), None)
        return "no quiet"

    def heal(self):
        for job in self.jobs:
            self.control(job, "none")
        self.sql.run("delete from tenant_settings")

    def replay(self):
        self.last_puts = self.last_parks = 0
        events = [dict(event, at=self.time, id=self.random.getrandbits(60)) for event in self.events]
        self.random.shuffle(events)
        self.pending = events
