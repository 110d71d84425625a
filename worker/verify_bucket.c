/* Objects of a bucket against documents: each page of the list asks for its keys' rows. */
#include <string.h>

#include "queue/object.h"
#include "worker/base/memory.h"
#include "worker/cmd_ask.h"
#include "worker/model/document.h"
#include "worker/verify.h"

struct listing {
    struct verify *verify;
    const struct tenant *tenant;
    struct text bucket;
    struct object_request request;
    struct wait wait;
    uint64_t matched_count; /* settled documents that the list showed */
    size_t pages_under_way;
    bool is_listed, has_failed;
    struct error err;
};

struct entry {
    char *key;
    char etag[ETAG_BYTES_MAX];
    uint64_t size_bytes, modified_ms;
};

/* Up to INSPECT_ROWS_MAX entries, and the question for their rows. */
struct sheet {
    struct listing *listing;
    struct inspect inspect;
    size_t entry_count;
    bool has_row[INSPECT_ROWS_MAX];
    struct text names[INSPECT_ROWS_MAX];
    struct entry entries[INSPECT_ROWS_MAX];
};

enum object_column {
    OBJECT_AT,
    OBJECT_DOCUMENT,
    OBJECT_SETTLED,
    OBJECT_DELETED,
    OBJECT_STATUS,
    OBJECT_ETAG,
    OBJECT_BYTES
};

static struct fault fault_of(const struct listing *listing, struct text kind, struct text subject)
{
    return (struct fault){.kind = kind,
                          .place = "bucket",
                          .has_tenant = true,
                          .tenant = listing->tenant->id,
                          .subject = subject};
}

/* Its event may be under way. */
static bool is_young(const struct listing *listing, const struct entry *entry)
{
    return entry->modified_ms + listing->verify->young_ms >
           loop_wall_ms(listing->verify->app->loop);
}

static bool is_current(const struct pg_result *rows, size_t row, const struct entry *entry)
{
    struct text etag = pg_value(rows, row, OBJECT_ETAG);
    uint64_t bytes = 0;
    bool is_success = text_equal(pg_value(rows, row, OBJECT_STATUS), TEXT("success"));
    bool is_same_size = pg_value_u64(rows, row, OBJECT_BYTES, &bytes) && bytes == entry->size_bytes;
    return !is_success ||
           (is_same_size && (!entry->etag[0] || text_equal(etag, text_from(entry->etag))));
}

static void judge_row(struct listing *listing, const struct entry *entry,
                      const struct pg_result *rows, size_t row)
{
    struct verify *verify = listing->verify;
    bool is_settled = text_equal(pg_value(rows, row, OBJECT_SETTLED), TEXT("1"));
    bool is_deleted = text_equal(pg_value(rows, row, OBJECT_DELETED), TEXT("1"));
    struct text key = text_from(entry->key);
    if (is_settled && !is_deleted)
        listing->matched_count++;
    if (!is_settled || (is_young(listing, entry) && !is_current(rows, row, entry)))
        verify->open_count++;
    else if (is_deleted)
        verify_tell(verify, fault_of(listing, TEXT("hole"), key),
                    "its document says that it is gone");
    else if (!is_current(rows, row, entry))
        verify_tell(verify, fault_of(listing, TEXT("stale"), key),
                    "the document tells of another version: eTag %.*s, %.*s bytes; the object has "
                    "%s, %llu",
                    TEXT_ARGS(pg_value(rows, row, OBJECT_ETAG)),
                    TEXT_ARGS(pg_value(rows, row, OBJECT_BYTES)), entry->etag,
                    (unsigned long long)entry->size_bytes);
}

static void judge_sheet(struct sheet *sheet, const struct pg_result *rows)
{
    struct listing *listing = sheet->listing;
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        uint64_t at;
        if (!pg_value_u64(rows, row, OBJECT_AT, &at) || at < 1 || at > sheet->entry_count)
            continue;
        sheet->has_row[at - 1] = true;
        judge_row(listing, &sheet->entries[at - 1], rows, row);
    }
    for (size_t i = 0; i < sheet->entry_count; i++) {
        if (sheet->has_row[i])
            continue;
        if (is_young(listing, &sheet->entries[i]))
            listing->verify->open_count++;
        else
            verify_tell(listing->verify,
                        fault_of(listing, TEXT("hole"), text_from(sheet->entries[i].key)),
                        "no document: its event was lost, or has not come yet");
    }
}

static void end_when_done(struct listing *listing)
{
    if (listing->is_listed && !listing->pages_under_way)
        wait_done(&listing->wait, listing->has_failed ? &listing->err : NULL);
}

static void fail(struct listing *listing, const struct error *err)
{
    if (!listing->has_failed)
        listing->err = *err;
    listing->has_failed = true;
}

static void on_page(struct inspect *inspect, const struct pg_result *rows, const struct error *err)
{
    struct sheet *sheet = container_of(inspect, struct sheet, inspect);
    struct listing *listing = sheet->listing;
    if (err)
        fail(listing, err);
    else
        judge_sheet(sheet, rows);
    for (size_t i = 0; i < sheet->entry_count; i++)
        xfree(sheet->entries[i].key);
    loop_bury(listing->verify->app->loop, sheet);
    listing->pages_under_way--;
    end_when_done(listing);
}

static void start_sheet(struct listing *listing, const struct object_entry *entries, size_t count)
{
    struct sheet *sheet = xcalloc(1, sizeof(*sheet));
    sheet->listing = listing;
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &sheet->entries[i];
        entry->key = xstrdup(entries[i].key);
        (void)text_format(entry->etag, sizeof(entry->etag), "%.*s", TEXT_ARGS(entries[i].etag));
        entry->size_bytes = entries[i].size_bytes;
        entry->modified_ms = entries[i].modified_ms;
        sheet->names[i] = text_from(entry->key);
    }
    sheet->entry_count = count;
    sheet->inspect = (struct inspect){.kind = INSPECT_OBJECTS,
                                      .tenant = listing->tenant->id,
                                      .bucket = listing->bucket,
                                      .names = sheet->names,
                                      .name_count = count,
                                      .on_done = on_page};
    listing->verify->object_count += count;
    listing->pages_under_way++;
    inspect_run(listing->verify->app->pg, listing->verify->app->loop, &sheet->inspect);
}

/* Keys that no document can have (folders, bad names) are none of ours. */
static bool on_entries(struct object_request *request, const struct object_entry *entries,
                       size_t count)
{
    struct listing *listing = container_of(request, struct listing, request);
    struct object_entry ours[INSPECT_ROWS_MAX];
    size_t our_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!tenant_owns_key(listing->tenant, entries[i].key))
            continue;
        ours[our_count++] = entries[i];
        if (our_count < INSPECT_ROWS_MAX)
            continue;
        start_sheet(listing, ours, our_count);
        our_count = 0;
    }
    if (our_count)
        start_sheet(listing, ours, our_count);
    return !listing->has_failed;
}

static void on_listed(struct object_request *request, const struct error *err)
{
    struct listing *listing = container_of(request, struct listing, request);
    listing->is_listed = true;
    if (err)
        fail(listing, err);
    end_when_done(listing);
}

/* ---- documents whose object is not there ----------------------------------------------------- */

struct head {
    struct object_request request;
    struct wait wait;
};

static void on_head(struct object_request *request, const struct error *err)
{
    wait_done(&container_of(request, struct head, request)->wait, err);
}

struct keys {
    char *keys[INSPECT_ROWS_MAX];
    size_t count;
};

static void on_keys(void *arg, const struct pg_result *rows)
{
    struct keys *keys = arg;
    for (size_t i = 0; i < pg_row_count(rows); i++)
        keys->keys[keys->count++] = xstrdup(pg_value(rows, i, 1));
}

static bool look_for(struct listing *listing, struct text key, struct error *err)
{
    struct app *app = listing->verify->app;
    struct head head = {.request = {.verb = OBJECT_HEAD,
                                    .tenant = listing->tenant,
                                    .bucket = listing->bucket,
                                    .key = key,
                                    .on_done = on_head},
                        .wait = wait_on(app->loop)};
    if (!tenant_owns_key(listing->tenant, key))
        return true; /* the tables' own check has told it */
    objects_send(app->objects, &head.request);
    if (wait_for(&head.wait, 0, err))
        return true;
    if (err->code != ERR_GONE)
        return false;
    verify_tell(listing->verify, fault_of(listing, TEXT("orphan"), key),
                "the document is there, its object is not");
    return true;
}

/* The list did not show every document: looks at each. */
static bool look_for_all(struct listing *listing, struct error *err)
{
    char after[TENANT_KEY_BYTES_MAX + 1] = "";
    bool is_good = true, is_last = false;
    while (is_good && !is_last) {
        AUTO_FREE struct keys *keys = xcalloc(1, sizeof(*keys));
        struct inspect inspect = {.kind = INSPECT_OBJECT_PAGE,
                                  .tenant = listing->tenant->id,
                                  .bucket = listing->bucket,
                                  .after = text_from(after)};
        is_good = verify_ask(listing->verify, &inspect, on_keys, keys, err);
        is_last = keys->count < INSPECT_ROWS_MAX;
        for (size_t i = 0; i < keys->count; i++) {
            is_good = is_good && look_for(listing, text_from(keys->keys[i]), err);
            (void)text_format(after, sizeof(after), "%s", keys->keys[i]);
            xfree(keys->keys[i]);
        }
    }
    return is_good;
}

static void on_count(void *arg, const struct pg_result *rows)
{
    uint64_t *count = arg;
    if (!pg_value_u64(rows, 0, 0, count))
        *count = UINT64_MAX;
}

bool verify_bucket(struct verify *verify, const struct tenant *tenant, struct text bucket,
                   struct error *err)
{
    struct listing listing = {
        .verify = verify, .tenant = tenant, .bucket = bucket, .wait = wait_on(verify->app->loop)};
    listing.request = (struct object_request){.verb = OBJECT_LIST,
                                              .tenant = tenant,
                                              .bucket = bucket,
                                              .key = text_from(tenant->prefix),
                                              .on_entries = on_entries,
                                              .on_done = on_listed};
    objects_send(verify->app->objects, &listing.request);
    if (!wait_for(&listing.wait, 0, err))
        return false;
    uint64_t document_count = 0;
    struct inspect inspect = {.kind = INSPECT_OBJECT_COUNT, .tenant = tenant->id, .bucket = bucket};
    if (!verify_ask(verify, &inspect, on_count, &document_count, err))
        return false;
    return document_count == listing.matched_count || look_for_all(&listing, err);
}
