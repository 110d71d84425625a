"""What the rows tell of the bucket; and of a key that they do not: why, and whose fault it is."""

import uuid

from audit import TENANT_KEY
from figures import metrics

CASES_MAX = 3
LINES = 12  # of a worker's log
FIGURES = ("kafka_partitions", "kafka_lag", "kafka_commits_total", "messages_total", "events_waiting",
           "tasks", "database_waiting", "items_parked", "loop_lag_seconds")  # fmt: skip


def unseen(world):
    """Keys whose row does not tell yet what the bucket holds."""
    users = {row[0] for row in world.query("select id from users")}
    rows = {
        row[0]: row[1:]
        for row in world.query(
            "select object_key, status, etag, file_size, deleted_at from documents"
        )
    }
    missing, objects = [], world.objects()
    for key, (etag, size) in objects.items():
        owner = TENANT_KEY.fullmatch(key)
        if not owner or uuid.UUID(owner[1]) not in users:
            continue
        status, row_etag, row_size, deleted = rows.get(key, (None, None, None, None))
        is_current = (
            status
            and not deleted
            and (status != "success" or row_size == size and (not etag or row_etag == etag))
        )
        if not is_current:
            missing.append(key)
    return missing + [key for key, row in rows.items() if key not in objects and not row[3]]


def tell_in_its_place(world):
    """True: every key that is not seen was changed without a word to the topic, so that no worker can
    know of it. That is the S3 server's loss; it is counted, and told now as somebody who repairs
    would."""
    keys, objects, topic = unseen(world), world.objects(), world.topic_module
    for key in keys:
        events, etag = world.told_of(key), objects.get(key, (None,))[0]
        if events is None or topic.has_last_change(events, etag):
            return False
    for key in keys:
        print(f"NOT TOLD: the S3 server has sent no event for the last change of {key}", flush=True)
        world.untold.append(key)
        etag, size = objects.get(key, (None, None))
        more = {"eTag": etag, "size": size} if etag else {"name": "ObjectRemoved:Delete"}
        world.topic.send(topic.message(topic.notification(key, **more)), key.encode())
    return bool(keys)


def cases(world):
    """Of some keys that are not seen all that is known: object, row, items, events, our log."""
    return "\n".join(case_of(world, key) for key in unseen(world)[:CASES_MAX])


def case_of(world, key):
    rows = world.query(
        "select to_jsonb(d) - 'extracted_text', (select jsonb_agg(i) from job_items i "
        "where i.document_id = d.id) from documents d where object_key = %s",
        key,
    )
    number = rows[0][0]["id"] if rows else key
    lines = [
        f"{log.name}: {line}"
        for log in world.logs
        for line in log.read_text(errors="replace").splitlines()
        if number in line
    ]
    events = world.told_of(key) or []
    return "\n".join(map(str, [key, world.objects().get(key), *rows, *events, *lines]))


def workers_say(world):
    """Of each worker, the silent ones too: what it holds at this moment, and its last words."""
    return "\n".join(f"{one.log_path.name}: {held_by(one)}\n{one.tail(LINES)}" for one in world.workers)


def held_by(worker):
    try:
        found = metrics(worker)
    except OSError as why:
        return f"it does not answer: {why}"
    return ", ".join(f"{name} {found['millrace_' + name]:g}" for name in FIGURES)
