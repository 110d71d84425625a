"""What must hold: at every instant, at rest, and after everything was told once more. Each answers what is wrong."""

from protocol_sql import EPOCH_S, chunk_table, document_id


def instant(world):
    """Live is in the store, the store is in live and litter; what is live has its rows; a lease ends by its holder or by time."""
    if world.trespass:
        return world.trespass
    sql, live, rows = world.sql, set(), {}
    chunks = [f"select document_id, string_agg(content, '|' order by chunk_no) from {table} group by 1"
              for table in sorted({chunk_table(tenant) for tenant in world.tenants})]
    documents, litter, *texts = sql.read(
        "select id, user_id, gen, etag from documents where gen is not null", "select document_id, gen, n from litter", *chunks)
    for table in texts:
        rows.update(table)
    for document, user, gen, etag in documents:
        if etag not in world.contents:
            return f"live document {document} has the eTag {etag}"
        if rows.get(document, "") != "|".join(world.contents[etag]):
            return f"{document} is live with the rows {rows.get(document)}, not of {etag}"
        if world.has_rows:
            continue
        for no, text in enumerate(world.contents[etag]):
            vector = (document, int(gen), no)
            live.add(vector)
            found = world.store.get(vector)
            if not found or (found[0], str(found[1])) != (text, user):
                return f"live vector {vector} is {found}, not of {text} of {user}"
    litter = {(row[0], int(row[1])): int(row[2]) for row in litter}
    for vector in world.store:
        if vector not in live and litter.get(vector[:2], 0) <= vector[2]:
            return f"vector {vector} is neither live nor litter"
    return None


def dump(world):
    """All that a reader sees."""
    chunks = [f"select document_id, chunk_no, content, embedding from {table} order by 1, 2"
              for table in sorted({chunk_table(tenant) for tenant in world.tenants})]
    return [
        world.sql.run(text)
        for text in (
            "select id, user_id, job_id, status, error_code, etag, file_size, chunk_count, gen, deleted_at from documents "
            "order by 1",
            "select id, status, total_documents, processed_count, failed_count, cancelled_count, completed_at from "
            "processing_jobs order by 1",
            "select * from job_items order by 1, 2",
            "select * from users order by 1",
            "select document_id, gen, n from litter",
            'select topic, partition, "offset", event_no, code from dead_letters order by 1, 2, 3, 4',
            *chunks,
        )
    ]


def rest(world):
    bad, live = [], {}
    rows = {row[0]: row[1:] for row in world.sql.run(
        "select id, status, error_code, etag, gen, leased_until, extract(epoch from processed_at) from documents")}
    is_stranger = world.is_stranger()
    for user, key in world.keys:
        row, content = rows.get(str(document_id(key))), world.current(key)
        is_unknown = user == world.unknown and is_stranger
        if row is None:
            bad += [f"no row of {key}"] if content is not None and not is_unknown else []
        else:
            bad += document(world, user, key, row, live)
    if live != world.store:
        missing, extra = [v for v in live if v not in world.store], [v for v in world.store if v not in live]
        bad.append(f"vectors: missing {missing[:3]} extra {extra[:3]}")
    for table in ("litter", "staged_chunks"):
        bad += [f"{table} left"] if world.sql.run(f"select 1 from {table} limit 1") else []
    return bad + letters(world, is_stranger) + counters(world)


def document(world, user, key, row, live):
    status, code, etag, gen, leased_until, decided_s = row
    content, bad, name = world.current(key), [], document_id(key)
    chunks = world.sql.run(f"select content, embedding from {chunk_table(user)} where document_id = '{name}' order by chunk_no")
    if status not in ("success", "failed", "skipped", "cancelled") or leased_until:
        bad.append(f"{key} is not final: {row}")
    if status == "success":
        texts = world.contents[etag]
        if content != etag:
            bad.append(f"{key}: the row is {etag}, the bucket {content}")
        wanted = [[text, world.row_vector((text, user)).strip("'") if world.has_rows else None] for text in texts]
        if chunks != wanted:
            bad.append(f"{key}: chunks {chunks}, not {wanted}")
        if not world.has_rows:
            live.update({(str(name), int(gen), no): (text, user) for no, text in enumerate(texts)})
        return bad
    if gen is not None or chunks:
        bad.append(f"{key}: {status} has vectors or chunks")
    is_told = status == "cancelled" or code == "poisoned" or (code == "inactive" and user in world.was_inactive)
    if content is not None and not is_told and status != ("failed" if content.startswith("bad") else "success"):
        bad.append(f"{key}: {content} ended {status} {code}")
    if status == "cancelled" and world.is_versioned and content not in (None, etag):
        removed_s = [event["time"] + EPOCH_S for event in world.events if event["kind"] == "removed" and event["key"] == key]
        bad += [f"{key}: {content} was uncovered after it was cancelled"] if max(removed_s, default=0) > float(decided_s) else []
    return bad


def letters(world, is_stranger):
    """Forged events, and all of those of somebody who never became a user: once each."""
    wanted = {event["no"] for event in world.events
              if event["no"] in world.forged or (event["user"] == world.unknown and is_stranger)}
    found = {int(row[0]) for row in world.sql.run('select "offset" from dead_letters')}
    return [] if found == wanted else [f"dead letters {sorted(found ^ wanted)[:5]} are not as they should be"]


def counters(world):
    """Counted here, and by the product's own reconcile."""
    bad = [f"job {row}" for row in world.sql.run(
        "select j.id, j.status, total_documents, processed_count, failed_count, cancelled_count, n, p, f, c from "
        "processing_jobs j join lateral (select count(*) n, count(*) filter (where outcome in ('success', 'skipped')) p, "
        "count(*) filter (where outcome = 'failed') f, count(*) filter (where outcome = 'cancelled') c from job_items i "
        "where i.job_id = j.id) i on true "
        "where (total_documents, processed_count, failed_count, cancelled_count) <> (n, p, f, c) or p + f + c <> n "
        "or status in ('pending', 'processing')")]
    bad += [f"usage {row}" for row in world.sql.run(
        "select u.id, total_documents, total_storage_bytes, total_vectors, n, b, v from users u join lateral ("
        "select count(gen) n, coalesce(sum(file_size) filter (where gen is not null), 0) b, coalesce(sum(chunk_count), 0) v from documents d "
        "where d.user_id = u.id) d on true where (total_documents, total_storage_bytes, total_vectors) <> (n, b, v)")]
    are_rows = "true" if world.has_rows else "false"
    bad += [f"reconcile {row}" for row in world.sql.run(
        f"select u.id, r.* from users u, lateral millrace_reconcile(u.id, {are_rows}) r")]
    return bad
