"""Deterministic simulation of the ledger's own statements (store/statements) on a real PostgreSQL.

    python3 tests/services/serve.py postgres -- python3 tests/sim/protocol.py SEED_FROM SEED_TO [SABOTAGE | all]

Two workers, a bucket (plain or versioned), a vector store without conditional writes or vectors in rows, chunks in a table
that tenants share or in a schema of each; time is a parameter in place of now().
Faults: kill -9, SIGTERM, freeze, zombies, lost batches and lost replies, swallowed, failed and late store requests, duplicated
and reordered events, overwrites, deletes, re-creation, uncovered versions, jobs (registered before or after the upload),
forged events, cancel, pause, quotas, parking, tenants that come late or are deactivated, known vectors, staged rows that
vanish. After each step that changed something: live vectors are a part of the store, the store is a part of live and litter.
Once all is at rest: two rushes of changes whose events overtake each other, with jobs, parking and an early janitor; jobs that
are cancelled at once; removals that nothing follows. At each rest: counters equal items, rows equal the bucket, dead letters
are what they should be. At the end a full replay in another order changes nothing that a reader sees.

A seed that goes wrong is printed and can be run again alone. With SABOTAGE one rule is broken, and must be found: `all` tries
each until a seed finds it. Seeds are shared out over the machine's processors. Needs python3-psycopg.
"""

import collections
import multiprocessing
import os
import sys

try:
    import psycopg
except ImportError:
    print("SKIPPED: no psycopg (apt-get install python3-psycopg)")
    sys.exit(77)

import protocol_audit as audit
from protocol_sabotage import SABOTAGE
from protocol_sql import Database, Refused, check_sabotage
from protocol_world import STEPS, World


BLOCK = 100  # seeds on one fresh database


def changes(before, after):
    pairs = [(x, y) for a, b in zip(before, after) for x, y in zip(a, b) if x != y]
    return pairs[:1] or [len(a) - len(b) for a, b in zip(before, after)]


def at_rest(world):
    wrong = world.quiet()
    return [wrong] if wrong else audit.rest(world)


def run(world):
    """What is wrong; nothing when all is well."""
    for _ in range(STEPS):
        world.land_late()
        world.happen()
        wrong = audit.instant(world) if world.is_changed else None
        world.is_changed = False
        if wrong:
            return [wrong]
    world.heal()
    for last in (world.rush, world.rush, world.clear):
        bad = at_rest(world)
        if bad:
            return bad
        last()
        world.regret()
    bad = at_rest(world)
    if bad:
        return bad
    before = (audit.dump(world), dict(world.store))
    world.replay()
    bad = at_rest(world)
    after = (audit.dump(world), world.store)
    return bad if before == after else [f"the replay changed {changes(before[0], after[0])}", *bad]


def simulate(database, seeds, stops_early):
    wrong, total = [], collections.Counter()
    for seed in seeds:
        world = World(seed, database)
        try:
            bad = run(world)
        except Refused as refused:
            bad = [str(refused)[:600]]
        total.update(world.stats)
        if bad:
            wrong.append(f"seed {seed}: {bad[:4]}")
            if stops_early:
                break
    return wrong, total


def database_url():
    """Each process has a database of its own."""
    url, name = os.environ["TEST_DATABASE_URL"], f"protocol_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f"drop database if exists {name} with (force)")
        conn.execute(f"create database {name} template template0")
    return psycopg.conninfo.make_conninfo(url, dbname=name)


def run_seeds(seeds):
    return len(seeds), *simulate(Database(database_url()), seeds, False)


def run_sabotage(task):
    name, seeds = task
    return name, simulate(Database(database_url(), SABOTAGE[name]), seeds, True)[0]


def sabotage(pool, names, seeds):
    missed = []
    for name, wrong in pool.imap_unordered(run_sabotage, [(name, seeds) for name in names]):
        print(f"{name}: {wrong[0] if wrong else 'NOT FOUND'}"[:300], flush=True)
        missed += [] if wrong else [name]
    print(f"{len(missed)} of {len(names)} sabotaged variants were not found: {missed}")
    return missed


def plain(pool, blocks):
    wrong, seeds, total = 0, 0, collections.Counter()
    for count, lines, stats in pool.imap_unordered(run_seeds, blocks):
        for line in lines:
            print(line)
        wrong, seeds, total = wrong + len(lines), seeds + count, total + stats
        if seeds % (10 * BLOCK) == 0:
            print(f"{wrong} wrong of {seeds} seeds so far", flush=True)
    print(f"{wrong} wrong of {seeds} seeds", dict(total))
    return wrong


def main():
    first, end = int(sys.argv[1]), int(sys.argv[2])
    names = list(SABOTAGE) if sys.argv[3:] == ["all"] else sys.argv[3:]
    count = os.cpu_count() or 1
    check_sabotage(SABOTAGE)
    with multiprocessing.Pool(count) as pool:
        if names and plain(pool, [range(first, min(first + 8, end))]):
            return 1  # what fails without a bug, too, finds none
        if names:
            return bool(sabotage(pool, names, range(first, end)))
        return bool(plain(pool, [range(at, min(at + BLOCK, end)) for at in range(first, end, BLOCK)]))


if __name__ == "__main__":
    sys.exit(main())
