"""What a worker does with an event: claim, look, work, finish, sweep. Every yield is a place where it may stop for ever."""

import uuid

from protocol_sql import document_id, wall_ms

LEASE_S = 15
SIGN_UP_S = 90
STARTS_MAX = 5
NOT_YET_S = 60


class Request:
    """A row on its way to the database; answer is set when its batch has come back."""

    def __init__(self, document, row, on_answer=None):
        self.document, self.row, self.on_answer = document, row, on_answer
        self.answer, self.sent = None, None


class Abandon(Exception):
    """The lease may have ended: nothing more may be sent to the store."""


class Leave(Exception):
    """A service is in trouble: the lease goes back, to come again."""


class Attempt:
    def __init__(self, document, fence, lease, job):
        self.document, self.fence, self.lease, self.job = document, fence, lease, job
        self.reserved, self.wanted, self.is_dirty, self.is_asking, self.word = 0, 0, False, False, "go"

    def ask(self, worker):
        self.is_asking = True
        row = (self.document, self.fence, max(self.reserved, self.wanted))
        worker.lanes["intend"].append(Request(self.document, row, self.on_answer))

    def on_answer(self, request):
        self.is_asking = False
        self.word = request.answer[0]
        if self.word != "lost":
            self.lease = request.sent + LEASE_S
            self.reserved = max(self.reserved, request.row[2])


class Task:
    def __init__(self, world, worker, event):
        self.world, self.worker, self.event = world, worker, event
        self.document, self.user = document_id(event["key"]), event["user"]
        self.live = self.attempt = None

    def run(self):
        """Until the event may be settled."""
        while True:
            try:
                yield
                if (yield from self.try_once()):
                    return
            except Abandon:
                self.world.stats["abandon"] += 1
            except Leave:
                self.world.stats["leave"] += 1
                yield from self.give_back()
                yield from self.wait(self.world.random.choice([0, 10, 40]))
            finally:
                if self.attempt:
                    self.worker.attempts.pop(self.document, None)
                self.attempt = None

    def wait(self, steps):
        for _ in range(steps):
            yield

    def ask(self, kind, row):
        request = Request(self.document, row)
        self.worker.lanes[kind].append(request)
        while request.answer is None:
            yield
        return request.answer

    def try_once(self):
        event, world = self.event, self.world
        fence, sent = world.random.getrandbits(62) + 1, world.time
        uncovers = event["kind"] == "removed" and world.is_versioned
        row = (self.document, self.user, event["job"], event["bare"], fence, uncovers, wall_ms(event["time"]), event["etag"],
               event["key"])
        answer = yield from self.ask("claim", row)
        verdict, job, gen, etag, _, _, starts, control, is_active, is_over_quota = answer[:10]
        self.told = answer[14:17]  # time, eTag and age of the newest event
        world.stats[verdict] += 1
        world.stats["done by another"] += verdict == "done" and event["bare"] and job != str(event["job"])
        self.is_active = is_active == "1"
        if verdict in ("busy", "again"):
            yield from self.wait(world.random.choice([5, 30]))
            return False
        if verdict in ("no_tenant", "no_item"):
            return (yield from self.bury(verdict, sent))
        if verdict != "go":
            return True
        self.live, self.decided = (int(gen), etag) if gen is not None else None, etag
        self.attempt = Attempt(self.document, fence, sent + LEASE_S, job)
        self.worker.attempts[self.document] = self.attempt
        is_removal = event["kind"] == "removed"
        if int(starts) > STARTS_MAX:
            answer = yield from self.dismiss("failed", "poisoned")
        elif control == "cancel" and not is_removal:
            answer = yield from self.dismiss("cancelled", "cancelled")
        elif not self.is_active and not is_removal:
            answer = yield from self.dismiss("failed", "inactive")
        elif job and (control == "pause" or is_over_quota == "1" or self.is_put_off(0.3 if world.is_calm else 0.05)):
            return (yield from self.park())
        elif is_removal and self.live and self.is_put_off(0.25):
            return (yield from self.park())  # nobody may look: it waits in the row of what is live
        else:
            answer = yield from self.work()
        yield from sweep(world, self.document)
        return answer == "ok"

    def bury(self, verdict, sent):
        """A user who has just signed up may not be there yet."""
        event, world = self.event, self.world
        if verdict == "no_tenant" and sent < event["time"] + SIGN_UP_S:
            yield from self.wait(100)
            return False
        row = ("topic", 0, event["no"], 0, verdict, "because", "\\x00", "\\x00", "{}", None, wall_ms(event["time"]))
        yield from self.ask("bury", row)
        return True

    def is_put_off(self, likelihood):
        world = self.world
        is_so = (not world.is_calm or world.last_parks > 0) and world.random.random() < likelihood
        world.last_parks -= world.is_calm and is_so
        return is_so

    def park(self):
        due_ms = 2000 if self.world.is_calm else 20000
        row = (self.document, self.attempt.fence, self.attempt.job, True, due_ms, "over_quota", "because")
        answer = yield from self.ask("release", row)
        self.world.stats[f"park {answer[0]}"] += 1
        return answer[0] == "1"

    def give_back(self):
        row = (self.document, self.attempt.fence, self.attempt.job, False, 0, None, None)
        yield from self.ask("release", row)
        return "ok"

    def look(self):
        """What the bucket shows; not what is older than the newest event tells of, for a minute after that."""
        etag, changed_ms = self.world.look(self.event["key"])
        told_ms, told_etag, age_ms = self.told
        is_removal = self.event["kind"] == "removed"
        if told_ms is None or int(age_ms) >= NOT_YET_S * 1000:
            return etag
        if told_etag is None:
            lags = etag and changed_ms + 1000 < int(told_ms) and not (is_removal and self.world.is_versioned)
        else:
            lags = not etag or (told_etag and etag != told_etag and changed_ms + 1000 < int(told_ms))
        self.world.stats["lag seen"] += bool(lags)
        if lags:
            raise Leave
        return etag

    def dismiss(self, outcome, code):
        yield
        got = self.look()
        if got is None:
            return (yield from self.finish("gone", outcome, code))
        is_same = self.live and got == self.live[1]
        return (yield from self.finish("keep" if is_same else "drop", outcome, code, got))

    def work(self):
        yield
        world, key = self.world, self.event["key"]
        got = self.look()
        if world.random.random() < 0.2 and (not world.is_calm or world.last_puts > 0):
            world.last_puts -= world.is_calm
            if world.random.random() < 0.7 or not world.bucket.get(key):
                world.put(self.user, key)  # overwritten just after it was read, or removed
            else:
                world.remove(self.user, key)
        yield from self.wait(world.random.choice([0, 15]) if world.is_calm else 0)  # others come meanwhile
        if got is None:
            return (yield from self.finish("gone", "skipped", "gone"))
        is_told = self.event["kind"] == "removed" and not world.is_versioned and not self.live
        if is_told or (self.live and got == self.live[1]):
            return (yield from self.finish("keep", "skipped", "unchanged"))
        if self.event["kind"] == "removed" and not self.live and got == self.decided:
            return (yield from self.give_back())  # it failed or was cancelled, and that holds for these bytes
        if not self.is_active:  # a removal has uncovered an older version
            return (yield from self.finish("drop", "failed", "inactive", got))
        if got.startswith("bad"):
            return (yield from self.finish("drop", "failed", "bad", got))
        texts = world.contents[got]
        vectors = yield from self.vectors(texts)
        for first in range(0, 0 if world.has_rows else len(texts), 2):
            numbers = range(first, min(first + 2, len(texts)))
            if not (yield from self.reserve(numbers[-1] + 1)):
                break
            ids = {(str(self.document), self.attempt.fence, no): vectors[no] for no in numbers}
            yield from send(world, self.attempt, ("upsert", ids))
        if self.attempt.word == "inactive":
            return (yield from self.finish("drop", "failed", "inactive", got))
        if self.attempt.word == "stop":
            return (yield from self.finish("drop", "cancelled", "cancelled", got))
        return (yield from self.finish("live", "success", None, got, texts, vectors))

    def vectors(self, texts):
        """Those of chunks that the live generation has come from the store, the others are made."""
        made = [(text, self.user) for text in texts]
        yield
        if not self.live or not texts:
            return made
        gen, known = self.live[0], self.world.known(self.document, self.user, self.live[0], texts)
        yield
        for at, no in known.items():
            found = self.world.stored_vector(self.document, self.user, gen, no)
            self.world.stats["known"] += found is not None
            made[at] = found or made[at]
        return made

    def reserve(self, count):
        """Ids before the first vector leaves. False: stopped."""
        attempt = self.attempt
        while attempt.reserved < count and attempt.word == "go":
            attempt.wanted = max(4, 2 * attempt.reserved, count)
            if not attempt.is_asking:
                attempt.ask(self.worker)
            yield
        if attempt.word == "lost":
            raise Abandon
        return attempt.word == "go"

    def finish(self, effect, outcome, code=None, etag=None, texts=(), vectors=()):
        world, attempt, count, is_staged = self.world, self.attempt, len(texts), False
        row = (
            self.document, attempt.fence, attempt.job, effect, outcome, code, code and "because", etag, count * 100, count, 1,
            count, attempt.is_dirty, None, None, None, None, False, False, count, str(count / 8),
        )
        while True:
            yield
            if not is_staged and count:
                world.stage(attempt, texts, vectors)
                is_staged = world.is_calm or world.random.random() < 0.95  # else the reply is lost: staged again
                continue
            if not world.is_calm and world.random.random() < 0.03:  # a crash of the server empties unlogged tables
                world.sql.run("delete from staged_chunks")
            answer = (yield from self.ask("finish", row))[0]
            world.stats[f"finish {effect} {answer}"] += 1
            if answer != "restage":
                return answer
            is_staged = False


def send(world, attempt, operation):
    """A request to the store: it may be applied at once, late, twice or never, and its reply may be lost."""
    while True:
        yield
        if attempt and world.time >= attempt.lease:
            raise Abandon
        choice = world.random.random()
        if choice < 0.75 or world.is_calm:
            world.apply(operation)
            return
        if attempt:
            attempt.is_dirty = True
        if choice < 0.82:
            world.apply(operation)
        elif attempt and choice < 0.84:
            raise Leave
        elif choice < 0.92:
            world.late.append((world.time + world.random.random() * 30, operation))


def sweep(world, document=None):
    if world.has_rows:
        return
    rows = yield from (world.sure("dead", [document]) if document else world.sure("dead_any", 1000))
    for _, owner, _, gen, count, as_of in rows:
        yield from send(world, None, ("delete", [(owner, int(gen), no) for no in range(int(count))]))
        yield from world.sure("swept", [owner], [gen], [as_of])


def janitor(world, worker):
    yield from sweep(world)
    yield from world.sure("sweep_staged")
    yield from world.sure("lapse")
    for _, job, _, user, _, key, _ in (yield from world.sure("due", 10)):
        if key is None or any(running and running["key"] == key for _, running in worker.tasks.values()):
            continue
        event = dict(kind="put" if job else "removed", user=uuid.UUID(user), key=key, etag=None, job=job, bare=False, no=0, time=None)
        yield from Task(world, worker, event).run()
