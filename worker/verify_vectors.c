/* Stored vectors against documents: live ⊆ store ⊆ live ∪ litter, in the tenant's own namespace. */
#include <string.h>

#include "worker/base/memory.h"
#include "worker/cmd_ask.h"
#include "worker/model/document.h"
#include "worker/verify.h"

#define NAME_BYTES 513 /* the longest id that a store allows, and a NUL */

enum generation_column {
    GENERATION_ID,
    GENERATION_USER,
    GENERATION_LIVE,
    GENERATION_CHUNKS,
    GENERATION_LITTER
};

/* A page of ids, and what the tables say of their documents. */
struct sheet {
    struct verify *verify;
    const struct tenant *tenant;
    struct vectors_request request;
    struct wait wait;
    size_t count;
    char ids[INSPECT_ROWS_MAX][NAME_BYTES];
    char documents[INSPECT_ROWS_MAX][UUID_TEXT_BYTES];
    const char *verdicts[INSPECT_ROWS_MAX]; /* the kind of fault, NULL: none */
    bool is_live[INSPECT_ROWS_MAX];
};

static void on_name(struct vectors_request *request, struct text name)
{
    struct sheet *sheet = container_of(request, struct sheet, request);
    if (sheet->count < INSPECT_ROWS_MAX && /* no page is so long */
        text_format(sheet->ids[sheet->count], NAME_BYTES, "%.*s", TEXT_ARGS(name)))
        sheet->count++;
}

static void on_listed(struct vectors_request *request, const struct error *err)
{
    wait_done(&container_of(request, struct sheet, request)->wait, err);
}

static bool list(struct sheet *sheet, struct text prefix, struct buffer *cursor, struct error *err)
{
    struct app *app = sheet->verify->app;
    sheet->count = 0;
    sheet->wait = wait_on(app->loop);
    sheet->request = (struct vectors_request){.tenant = sheet->tenant,
                                              .prefix = prefix,
                                              .cursor = cursor,
                                              .on_name = on_name,
                                              .on_done = on_listed};
    vectors_list(app->vectors, &sheet->request);
    return wait_for(&sheet->wait, 0, err);
}

/* "gen:n gen:n", decimal */
static bool is_litter(struct text litter, uint64_t gen, uint32_t no)
{
    while (litter.bytes) {
        uint64_t dead_gen, n;
        struct text rest, pair = text_cut(litter, ' ', &litter),
                          number = text_cut(pair, ':', &rest);
        if (text_parse_u64(number, &dead_gen) && text_parse_u64(rest, &n) && dead_gen == gen &&
            no < n)
            return true;
    }
    return false;
}

static const char *judge(struct sheet *sheet, const struct pg_result *rows, size_t row, size_t at)
{
    struct uuid document, user;
    uint64_t gen, live_gen = 0, chunks = 0;
    uint32_t no;
    if (!vector_id_parse(text_from(sheet->ids[at]), &document, &gen, &no) ||
        !pg_value_uuid(rows, row, GENERATION_USER, &user))
        return "orphan";
    if (!uuid_equal(user, sheet->tenant->id))
        return "wrong_tenant";
    bool has_live = pg_value_u64(rows, row, GENERATION_LIVE, &live_gen) && live_gen == gen;
    bool is_in = pg_value_u64(rows, row, GENERATION_CHUNKS, &chunks) && no < chunks;
    sheet->is_live[at] = has_live && is_in;
    if (sheet->is_live[at] || is_litter(pg_value(rows, row, GENERATION_LITTER), gen, no))
        return NULL;
    return has_live ? "orphan" : "stale";
}

static void on_generations(void *arg, const struct pg_result *rows)
{
    struct sheet *sheet = arg;
    for (size_t row = 0; row < pg_row_count(rows); row++)
        for (size_t at = 0; at < sheet->count; at++)
            if (text_equal(pg_value(rows, row, GENERATION_ID), text_from(sheet->documents[at])))
                sheet->verdicts[at] = judge(sheet, rows, row, at);
}

static bool judge_sheet(struct sheet *sheet, struct error *err)
{
    AUTO_FREE struct text *names = xcalloc(INSPECT_ROWS_MAX, sizeof(*names));
    struct inspect inspect = {.kind = INSPECT_GENERATIONS, .names = names};
    for (size_t i = 0; i < sheet->count; i++) {
        struct uuid document;
        uint64_t gen;
        uint32_t no;
        sheet->verdicts[i] = "orphan"; /* until its document is found */
        sheet->is_live[i] = false;
        sheet->documents[i][0] = '\0';
        if (!vector_id_parse(text_from(sheet->ids[i]), &document, &gen, &no))
            continue;
        uuid_format(document, sheet->documents[i]);
        bool is_new = i == 0 || strcmp(sheet->documents[i], sheet->documents[i - 1]) != 0;
        if (is_new)
            names[inspect.name_count++] = text_from(sheet->documents[i]);
    }
    return verify_ask(sheet->verify, &inspect, on_generations, sheet, err);
}

static const char *words_of(const char *verdict)
{
    if (strcmp(verdict, "wrong_tenant") == 0)
        return "a vector of another tenant's document";
    if (strcmp(verdict, "stale") == 0)
        return "its generation is neither live nor litter";
    return "no document has such a vector";
}

/* What looks wrong may have been swept, or have become litter, since the list was made. */
static bool look_again(struct sheet *sheet, const char *id, struct error *err)
{
    AUTO_BUFFER struct buffer cursor = buffer_new(64 * 1024);
    AUTO_FREE struct sheet *again = xcalloc(1, sizeof(*again));
    again->verify = sheet->verify;
    again->tenant = sheet->tenant;
    if (!list(again, text_from(id), &cursor, err) || !judge_sheet(again, err))
        return false;
    for (size_t i = 0; i < again->count; i++)
        if (strcmp(again->ids[i], id) == 0 && again->verdicts[i])
            verify_tell(sheet->verify,
                        (struct fault){.kind = text_from(again->verdicts[i]),
                                       .place = "vectors",
                                       .has_tenant = true,
                                       .tenant = sheet->tenant->id,
                                       .subject = text_from(id)},
                        "%s", words_of(again->verdicts[i]));
    return true;
}

static bool verify_stored(struct sheet *sheet, uint64_t *ret_live_count, struct error *err)
{
    AUTO_BUFFER struct buffer cursor = buffer_new(64 * 1024);
    bool is_good;
    do {
        is_good = list(sheet, TEXT_NONE, &cursor, err) && judge_sheet(sheet, err);
        for (size_t i = 0; is_good && i < sheet->count; i++) {
            *ret_live_count += sheet->is_live[i];
            if (sheet->verdicts[i])
                is_good = look_again(sheet, sheet->ids[i], err);
        }
        sheet->verify->vector_count += sheet->count;
    } while (is_good && cursor.bytes);
    return is_good;
}

/* ---- vectors that are missing ---------------------------------------------------------------- */

struct live {
    struct {
        char id[UUID_TEXT_BYTES];
        uint64_t gen, chunk_count;
    } documents[INSPECT_ROWS_MAX];
    size_t count;
};

static void on_live(void *arg, const struct pg_result *rows)
{
    struct live *live = arg;
    for (size_t i = 0; i < pg_row_count(rows); i++) {
        (void)text_format(live->documents[i].id, UUID_TEXT_BYTES, "%.*s",
                          TEXT_ARGS(pg_value(rows, i, 0)));
        if (pg_value_u64(rows, i, 1, &live->documents[i].gen) &&
            pg_value_u64(rows, i, 2, &live->documents[i].chunk_count))
            live->count = i + 1;
    }
}

/* How many of the live generation's ids the store has. */
static bool count_vectors(struct sheet *sheet, struct text prefix, uint64_t *ret_count,
                          struct error *err)
{
    AUTO_BUFFER struct buffer cursor = buffer_new(64 * 1024);
    *ret_count = 0;
    do {
        if (!list(sheet, prefix, &cursor, err) || !judge_sheet(sheet, err))
            return false;
        for (size_t i = 0; i < sheet->count; i++)
            *ret_count += sheet->is_live[i];
    } while (cursor.bytes);
    return true;
}

static void on_generation(void *arg, const struct pg_result *rows)
{
    uint64_t *gen = arg;
    if (!pg_row_count(rows) || !pg_value_u64(rows, 0, GENERATION_LIVE, gen))
        *gen = 0;
}

static bool look_for(struct sheet *sheet, const struct live *live, size_t at, struct error *err)
{
    char prefix[VECTOR_ID_BYTES_MAX];
    uint64_t count, gen_now = 0, chunk_count = live->documents[at].chunk_count;
    struct text name = text_from(live->documents[at].id);
    (void)text_format(prefix, sizeof(prefix), "%s#%llx#", live->documents[at].id,
                      (unsigned long long)live->documents[at].gen);
    if (!count_vectors(sheet, text_from(prefix), &count, err))
        return false;
    struct inspect inspect = {.kind = INSPECT_GENERATIONS, .names = &name, .name_count = 1};
    if (!verify_ask(sheet->verify, &inspect, on_generation, &gen_now, err))
        return false;
    if (count < chunk_count && gen_now == live->documents[at].gen)
        verify_tell(sheet->verify,
                    (struct fault){.kind = TEXT("hole"),
                                   .place = "vectors",
                                   .has_tenant = true,
                                   .tenant = sheet->tenant->id,
                                   .subject = name},
                    "%llu of its %llu vectors are missing",
                    (unsigned long long)(chunk_count - count), (unsigned long long)chunk_count);
    return true;
}

static bool look_for_all(struct sheet *sheet, struct error *err)
{
    char after[UUID_TEXT_BYTES] = "";
    bool is_good = true, is_last = false;
    while (is_good && !is_last) {
        AUTO_FREE struct live *live = xcalloc(1, sizeof(*live));
        struct inspect inspect = {
            .kind = INSPECT_LIVE_PAGE, .tenant = sheet->tenant->id, .after = text_from(after)};
        is_good = verify_ask(sheet->verify, &inspect, on_live, live, err);
        is_last = live->count < INSPECT_ROWS_MAX;
        for (size_t i = 0; is_good && i < live->count; i++)
            is_good = look_for(sheet, live, i, err);
        if (live->count)
            (void)text_format(after, sizeof(after), "%s", live->documents[live->count - 1].id);
    }
    return is_good;
}

static void on_count(void *arg, const struct pg_result *rows)
{
    uint64_t *count = arg;
    if (!pg_value_u64(rows, 0, 0, count))
        *count = UINT64_MAX;
}

bool verify_vectors(struct verify *verify, const struct tenant *tenant, struct error *err)
{
    AUTO_FREE struct sheet *sheet = xcalloc(1, sizeof(*sheet));
    uint64_t live_count = 0, wanted_count = 0;
    sheet->verify = verify;
    sheet->tenant = tenant;
    if (!verify_stored(sheet, &live_count, err))
        return false;
    struct inspect inspect = {.kind = INSPECT_LIVE_COUNT, .tenant = tenant->id};
    if (!verify_ask(verify, &inspect, on_count, &wanted_count, err))
        return false;
    return live_count == wanted_count || look_for_all(sheet, err);
}
