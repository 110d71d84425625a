"""How fast records of the topic become exact counters and commits, with an empty pipeline.

    replays      events of finished documents, once more
    registered   events of the items of registered jobs
    bare         uploads that nobody registered: each makes its job, document and item

Each is measured through the product's own way (queue_worker: consumer, intake, conductor, task, ledger; only the bucket and
the stream of a document are stand-ins that answer at once), and beside it, on the same database in the same run, the limit:
the same statements, built beforehand, alone on one connection (queue_limit). Other programs of the machine disturb both
alike, so shares are compared round by round; and processor time per record is told, of the worker, the database, the broker.

Peers on the same server: graphile-worker and River, tuned as their documentation says. "noop" does nothing; "counted" does
what an item means here: its outcome and its job's counter, once, in one transaction.

    queue_rates.py [--smoke] [--no-peers] [--only registered]
"""

import argparse
import itertools
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "e2e"), str(HERE)]
from figures import missed, processor_s, report  # noqa: E402
from services import common  # noqa: E402
from services.serve import SKIPPED, Stack  # noqa: E402

try:
    import psycopg
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic
    from topic import message, notification
except ImportError as why:
    print(f"SKIPPED: {why}")
    sys.exit(SKIPPED)

BUILD = pathlib.Path(os.environ.get("TEST_BUILD_DIR", HERE.parent.parent / "build" / "bench"))
SPACE = uuid.UUID("6d0c1f5e-93a8-4b27-8e41-d57a20b9c364")  # of document ids: worker/model/document.c
TENANTS, PARTITIONS, BATCH, TASKS = 8, 6, 5000, 4096  # TASKS: the most that MILLRACE_TASKS takes
FULL = dict(rounds=3, replays=150_000, registered=40_000, bare=24_000, peers=20_000, counted=5_000)
SMOKE = dict(rounds=1, replays=600, registered=300, bare=300, peers=200, counted=200)
FLOORS = dict(replays=40_000, registered=12_000, bare=6_000)
SHARE_MIN, PEERS_MIN = 0.7, 8
GRAPHILE, RIVER = "graphile-worker@0.17.3", "v0.51.1"
# What anybody would give a server that is to be fast, within what it keeps safe: commits are durable.
SERVER = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "wal_compression": "off",
}


class Bench:
    def __init__(self, stack, sizes):
        self.stack, self.sizes = stack, sizes
        self.producer = Producer(
            {
                "bootstrap.servers": stack.kafka.brokers,
                "linger.ms": 20,
                "log_level": 0,
                "queue.buffering.max.messages": 200_000,
            }
        )
        self.names = itertools.count()
        self.finished = []  # lines of documents that are done

    def prepare(self):
        with psycopg.connect(self.stack.postgres.url, autocommit=True) as database:
            for name, value in SERVER.items():
                database.execute(f"alter system set {name} = '{value}'")
        self.stack.postgres.child.stop()
        self.stack.postgres.start_again()
        common.run_quietly(
            [BUILD / "bin" / "millrace", "migrate"],
            "migrate",
            env={**os.environ, "DATABASE_URL": self.stack.postgres.url},
        )
        self.database = psycopg.connect(self.stack.postgres.url, autocommit=True)
        self.tenants = [uuid.uuid4() for _ in range(TENANTS)]
        for tenant in self.tenants:
            self.database.execute("insert into users (id) values (%s)", (tenant,))

    # -- what is worked on -----------------------------------------------------------------------------------------------
    def lines(self, count, is_bare):
        """(tenant, key, job): fresh objects; items of one job for each tenant, or of none."""
        prefix, lines = f"r{next(self.names)}", []
        for number, tenant in enumerate(self.tenants):
            job = None if is_bare else uuid.uuid4()
            keys = [
                f"users/{tenant}/{prefix}/report-{at}.pdf" for at in range(number, count, TENANTS)
            ]
            if job and keys:
                self.register(tenant, job, keys)
            lines += [(tenant, key, job) for key in keys]
        return lines

    def register(self, tenant, job, keys):
        documents = [uuid.uuid5(SPACE, f"docs/{key}") for key in keys]
        with self.database.transaction():
            self.database.execute(
                """insert into processing_jobs (id, user_id, job_type, total_documents, config, created_at, updated_at)
                   values (%s, %s, 'batch', %s, '{}', now(), now())""",
                (job, tenant, len(keys)),
            )
            self.database.execute(
                """insert into documents (id, job_id, user_id, title, file_path, file_source_type, file_size, status, tags,
                                          bucket, object_key, created_at, updated_at)
                   select d, %s, %s, k, k, 'upload', 1000, 'pending', '[]', 'docs', k, now(), now()
                     from unnest(%s::uuid[], %s::text[]) e(d, k) order by d""",
                (job, tenant, documents, keys),
            )
            self.database.execute(
                """insert into job_items (job_id, document_id, due, size_bytes)
                   select %s, d, now() + interval '1 hour', 1000 from unnest(%s::uuid[]) d order by d""",
                (job, documents),
            )

    def calm(self):
        """The same start for everybody: nothing that autovacuum or a checkpoint would do meanwhile."""
        self.database.execute("vacuum analyze")
        self.database.execute("checkpoint")

    def produce(self, topic, lines, count):
        """Whole messages of S3 notifications, over all partitions."""
        admin = AdminClient({"bootstrap.servers": self.stack.kafka.brokers, "log_level": 0})
        for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
            made.result(30)
        template = json.dumps(message(notification("KEY", sequencer="SEQUENCER", eTag="ETAG")))
        for number, (_, key, job) in enumerate(itertools.islice(itertools.cycle(lines), count)):
            value = template.replace("KEY", key).replace("SEQUENCER", f"{number:018X}")
            headers = [("millrace-job", str(job).encode())] if job else None
            self.producer.produce(topic, value, f"docs/{key}", headers=headers)
            if number % 50_000 == 0:
                self.producer.flush(60)
        self.producer.flush(60)

    # -- the two ways ------------------------------------------------------------------------------------------------------
    def limit(self, lines, count, is_replay):
        """Records per second, and the database's processor seconds."""
        text = "".join(f"{tenant} {key} {job or '-'}\n" for tenant, key, job in lines[:count])
        self.calm()
        before = processor_s(self.stack.postgres.child.pid)
        done = subprocess.run(
            [
                BUILD / "bin" / "queue_limit",
                self.stack.postgres.url,
                str(BATCH),
                "claim" if is_replay else "both",
            ],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"queue_limit: {done.stderr}")
        used = processor_s(self.stack.postgres.child.pid) - before
        good, seconds = done.stdout.split()
        answers = min(count, len(lines)) * (1 if is_replay else 2)
        if int(good) != answers:
            raise AssertionError(f"{good} of {answers} answers of the limit were as they should be")
        return min(count, len(lines)) / float(seconds), used

    def worker(self, lines, count):
        """Records per second; processor seconds of worker, database and broker."""
        topic = f"t{next(self.names)}"
        self.produce(topic, lines, count)
        self.calm()
        pids = self.stack.postgres.child.pid, self.stack.kafka.child.pid
        before = [processor_s(pid) for pid in pids]
        command = [BUILD / "bin" / "queue_worker", self.stack.postgres.url]
        command += [self.stack.kafka.brokers, topic, topic, str(count), str(TASKS)]
        with open(self.stack.run / f"{topic}.log", "w") as log:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True, check=True)
        seconds, own = map(float, done.stdout.split())
        return count / seconds, [own] + [processor_s(pid) - was for pid, was in zip(pids, before)]

    def check_exact(self, lines):
        """Every document and item final, every counter what its items say."""
        documents = [uuid.uuid5(SPACE, f"docs/{key}") for _, key, _ in lines]
        done = self.database.execute(
            """select count(*) from documents d join job_items i on i.document_id = d.id and i.job_id = d.job_id
                where d.id = any(%s) and d.status = 'success' and i.outcome = 'success'""",
            (documents,),
        ).fetchone()[0]
        odd = self.database.execute(
            """select count(*) from processing_jobs j
                 left join (select job_id, count(*) filter (where outcome = 'success') s, count(*) filter (where outcome <> 'success') f
                              from job_items group by job_id) i on i.job_id = j.id
                where processed_count <> coalesce(s, 0) or failed_count + cancelled_count <> coalesce(f, 0)
                   or (status = 'completed') <> (processed_count = total_documents)"""
        ).fetchone()[0]
        if done != len(lines) or odd:
            raise AssertionError(
                f"{done} of {len(lines)} items are done, {odd} jobs count wrongly"
            )

    # -- one kind of record --------------------------------------------------------------------------------------------------
    def measure(self, kind):
        count, is_replay, is_bare = self.sizes[kind], kind == "replays", kind == "bare"
        rates, limits, spent, limit_spent = [], [], [], []
        for _ in range(self.sizes["rounds"]):
            lines = self.finished if is_replay else self.lines(count, is_bare)
            rate, used = self.limit(lines, count, is_replay)
            limits.append(rate)
            limit_spent.append(used / min(count, len(lines)))
            if not is_replay:
                lines = self.lines(count, is_bare)
            rate, used = self.worker(lines, count)
            rates.append(rate)
            spent.append([one / count for one in used])
            if not is_replay:
                self.check_exact(lines)
                if not is_bare:
                    self.finished = lines
        self.tell(kind, rates, limits, spent, limit_spent)
        return statistics.median(rates)

    def tell(self, kind, rates, limits, spent, limit_spent):
        middle = statistics.median(rates)
        report(
            kind,
            f"{' '.join(f'{one:.0f}' for one in rates)} /s",
            (middle >= FLOORS[kind], f"at least {FLOORS[kind]}"),
        )
        report("    the same statements alone", f"{' '.join(f'{one:.0f}' for one in limits)} /s")
        shares = [rate / limit for rate, limit in zip(rates, limits)]
        report(
            "    share of that",
            " ".join(f"{one:.2f}" for one in shares),
            (statistics.median(shares) >= SHARE_MIN, f"at least {SHARE_MIN}"),
        )
        worker, database, broker = (
            1e6 * statistics.median(part) for part in zip(*spent, strict=True)
        )
        alone = 1e6 * statistics.median(limit_spent)
        report(
            "    processor time per record",
            f"worker {worker:.1f} us, database {database:.1f} us (alone {alone:.1f}), broker {broker:.1f} us",
        )

    # -- peers ------------------------------------------------------------------------------------------------------------------
    def prepare_peer(self, count):
        self.database.execute("drop database if exists peer with (force)")
        self.database.execute("create database peer")
        url = self.stack.postgres.url.replace("/millrace", "/peer")
        with psycopg.connect(url, autocommit=True) as database:
            database.execute(
                """create table peer_jobs (id int primary key, processed int not null default 0) with (fillfactor = 50)"""
            )
            database.execute(
                """create table peer_items (id int primary key, job_id int not null, outcome text) with (fillfactor = 70)"""
            )
            database.execute("insert into peer_jobs select generate_series(0, %s)", (TENANTS - 1,))
            database.execute(
                f"insert into peer_items select n, n %% {TENANTS} from generate_series(0, %s) n",
                (count - 1,),
            )
            database.execute("vacuum analyze")
        self.database.execute("checkpoint")
        return url

    def peer(self, name, command, kind):
        """Jobs per second, queued and worked off."""
        count = self.sizes["peers" if kind == "noop" else "counted"]
        url = self.prepare_peer(count)
        before = processor_s(self.stack.postgres.child.pid)
        done = subprocess.run(
            [*command, url, str(count), kind], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"{name} ended with {done.returncode}: {done.stderr[-600:]}")
        used = processor_s(self.stack.postgres.child.pid) - before
        queued, worked = map(float, done.stdout.split())
        rate = count / (queued + worked)
        report(
            f"{name}, {kind}",
            f"{rate:.0f} /s ({count / queued:.0f} queued, {count / worked:.0f} worked off),"
            f" database {1e6 * used / count:.0f} us each",
        )
        return rate


# ---- the peers' programs, made once in the cache --------------------------------------------------------------------------


def graphile():
    home = common.cache_dir() / f"bench-{GRAPHILE.replace('@', '-')}"
    if not shutil.which("npm"):
        raise common.Unavailable("graphile-worker: no npm (apt-get install nodejs npm)")
    if not (home / ".complete").exists():
        home.mkdir(exist_ok=True)
        common.run_quietly(
            ["npm", "install", "--prefix", home, "--no-audit", "--no-fund", GRAPHILE], "npm"
        )
        (home / ".complete").touch()
    return ["node", HERE / "queue_graphile.mjs", home / "node_modules" / "graphile-worker"]


def river():
    home, source = common.cache_dir() / f"bench-river-{RIVER}", HERE / "queue_river.go"
    if not shutil.which("go"):
        raise common.Unavailable("River: no go (its module wants 1.25 or newer)")
    home.mkdir(exist_ok=True)
    program = home / "queue_river"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        shutil.copy(source, home / "main.go")
        (home / "go.mod").write_text("module queue_river\n\ngo 1.24\n")
        base = "github.com/riverqueue/river"
        modules = [f"{base}{part}@{RIVER}" for part in ("", "/riverdriver/riverpgxv5", "/rivermigrate")]
        environment = {**os.environ, "GOFLAGS": "-mod=mod"}
        for command in (["go", "get", modules[0], modules[1]], ["go", "build", "-o", program, "."]):
            common.run_quietly(command, " ".join(map(str, command[:2])), env=environment, cwd=home)
    return [program]


def measure_peers(bench, registered):
    best = {}
    for name, find in (("graphile-worker", graphile), ("River", river)):
        try:
            command = find()
        except (common.Unavailable, common.Failed) as why:
            print(f"SKIPPED: {name}: {why}")
            continue
        for kind in ("noop", "counted"):
            best[kind] = max(best.get(kind, 0), bench.peer(name, command, kind))
    if best:
        report(
            "registered items beside the best peer",
            f"{registered / best['counted']:.1f} times (counted), {registered / best['noop']:.1f} times (noop)",
            (registered >= PEERS_MIN * best["counted"], f"counted: at least {PEERS_MIN}"),
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--only", choices=("registered",))
    options = parser.parse_args()
    with Stack("kafka", "postgres") as stack:
        bench = Bench(stack, SMOKE if options.smoke else FULL)
        bench.prepare()
        registered = bench.measure("registered")
        if options.only != "registered":
            bench.measure("bare")
            bench.measure("replays")
        if not options.smoke and not options.no_peers:
            measure_peers(bench, registered)
    if missed:
        print(f"below the floor: {', '.join(missed)}")
    return 1 if missed and not options.smoke else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except common.Unavailable as why:
        print(f"SKIPPED: {why}")
        sys.exit(SKIPPED)
