#include "worker/verify.h"

#include <stdarg.h>

#include "worker/base/memory.h"
#include "worker/cmd_ask.h"
#include "worker/dev_feed.h"

#define MESSAGE_BYTES 512

/* ---- asking and telling ---------------------------------------------------------------------- */

struct question {
    struct inspect *inspect;
    void (*on_rows)(void *arg, const struct pg_result *rows);
    void *arg;
    struct wait wait;
};

static void on_answer(struct inspect *inspect, const struct pg_result *rows,
                      const struct error *err)
{
    struct question *question = inspect->arg;
    if (!err)
        question->on_rows(question->arg, rows);
    wait_done(&question->wait, err);
}

bool verify_ask(struct verify *verify, struct inspect *inspect,
                void (*on_rows)(void *arg, const struct pg_result *rows), void *arg,
                struct error *err)
{
    struct question question = {inspect, on_rows, arg, wait_on(verify->app->loop)};
    inspect->on_done = on_answer;
    inspect->arg = &question;
    inspect_run(verify->app->pg, verify->app->loop, inspect);
    return wait_for(&question.wait, 0, err);
}

void verify_say(struct verify *verify, const struct fault *fault)
{
    bool is_same = fault->place == verify->place && uuid_equal(fault->tenant, verify->told_for);
    verify->told_here = is_same ? verify->told_here + 1 : 1;
    verify->place = fault->place;
    verify->told_for = fault->tenant;
    verify->fault_count++;
    if (verify->told_here <= VERIFY_FAULTS_MAX)
        verify->on_fault(verify, fault);
}

void verify_tell(struct verify *verify, struct fault fault, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)text_format_v(message, sizeof(message), format, args); /* cut is fine */
    va_end(args);
    fault.message = text_from(message);
    verify_say(verify, &fault);
}

/* ---- the tables alone ------------------------------------------------------------------------ */

struct rows_call {
    struct verify *verify;
    const struct tenant *tenant; /* NULL: strays */
};

static void on_faults(void *arg, const struct pg_result *rows)
{
    const struct rows_call *call = arg;
    for (size_t i = 0; i < pg_row_count(rows); i++)
        verify_say(call->verify, &(struct fault){
                                     .kind = pg_value(rows, i, 0),
                                     .place = "database",
                                     .has_tenant = call->tenant != NULL,
                                     .tenant = call->tenant ? call->tenant->id : UUID_NIL,
                                     .subject = pg_value(rows, i, 1),
                                     .message = pg_value(rows, i, 2),
                                 });
}

static bool verify_rows(struct verify *verify, const struct tenant *tenant, struct error *err)
{
    struct rows_call call = {verify, tenant};
    struct inspect inspect = {
        .kind = tenant ? INSPECT_TENANT : INSPECT_STRAYS,
        .tenant = tenant ? tenant->id : UUID_NIL,
        .are_vectors_rows = app_has_vectors_in_postgres(verify->app),
    };
    return verify_ask(verify, &inspect, on_faults, &call, err);
}

bool verify_tenant(struct verify *verify, const struct tenant *tenant, struct error *err)
{
    const struct config *config = verify->app->config;
    verify->tenant_count++;
    if (!verify_rows(verify, tenant, err))
        return false;
    for (size_t i = 0; i < config->bucket_count; i++)
        if (!verify_bucket(verify, tenant, config->buckets[i], err))
            return error_wrap(err, "bucket %.*s", TEXT_ARGS(config->buckets[i]));
    /* A folder without a name is that of a `dev`. */
    if (!config->bucket_count && !verify_bucket(verify, tenant, TEXT(DEV_BUCKET), err))
        return false;
    return app_has_vectors_in_postgres(verify->app) || verify_vectors(verify, tenant, err);
}

/* ---- namespaces of nobody -------------------------------------------------------------------- */

struct names {
    char *texts[INSPECT_ROWS_MAX];
    char ids[INSPECT_ROWS_MAX][UUID_TEXT_BYTES]; /* empty: the name is none of a tenant's */
    bool is_known[INSPECT_ROWS_MAX];
    size_t count;
    struct vectors_request request;
    struct wait wait;
};

static void on_name(struct vectors_request *request, struct text name)
{
    struct names *names = container_of(request, struct names, request);
    struct text prefix = TEXT("user_"), hex = text_slice(name, prefix.bytes, name.bytes);
    if (names->count == INSPECT_ROWS_MAX)
        return; /* no page is so long */
    char *id = names->ids[names->count];
    struct uuid user;
    id[0] = '\0';
    if (text_starts_with(name, prefix) && hex.bytes == 32 &&
        text_format(id, UUID_TEXT_BYTES, "%.8s-%.4s-%.4s-%.4s-%.12s", hex.start, hex.start + 8,
                    hex.start + 12, hex.start + 16, hex.start + 20) &&
        !uuid_parse(text_from(id), &user))
        id[0] = '\0';
    names->texts[names->count++] = xstrdup(name);
}

static void on_page(struct vectors_request *request, const struct error *err)
{
    wait_done(&container_of(request, struct names, request)->wait, err);
}

static void on_users(void *arg, const struct pg_result *rows)
{
    struct names *names = arg;
    for (size_t i = 0; i < names->count; i++)
        for (size_t row = 0; row < pg_row_count(rows); row++)
            names->is_known[i] |= text_equal(pg_value(rows, row, 0), text_from(names->ids[i]));
}

static bool judge_names(struct verify *verify, struct names *names, struct error *err)
{
    struct text ids[INSPECT_ROWS_MAX];
    struct inspect inspect = {.kind = INSPECT_USERS, .names = ids};
    for (size_t i = 0; i < names->count; i++)
        if (names->ids[i][0])
            ids[inspect.name_count++] = text_from(names->ids[i]);
    bool is_done = verify_ask(verify, &inspect, on_users, names, err);
    for (size_t i = 0; i < names->count; i++) {
        if (is_done && !names->is_known[i])
            verify_tell(verify,
                        (struct fault){.kind = TEXT("orphan"),
                                       .place = "vectors",
                                       .subject = text_from(names->texts[i])},
                        "a namespace of no user");
        xfree(names->texts[i]);
    }
    return is_done;
}

static bool verify_namespaces(struct verify *verify, struct error *err)
{
    AUTO_BUFFER struct buffer cursor = buffer_new(64 * 1024);
    bool is_done;
    do {
        AUTO_FREE struct names *names = xcalloc(1, sizeof(*names));
        names->wait = wait_on(verify->app->loop);
        names->request =
            (struct vectors_request){.cursor = &cursor, .on_name = on_name, .on_done = on_page};
        vectors_namespaces(verify->app->vectors, &names->request);
        is_done = wait_for(&names->wait, 0, err) && judge_names(verify, names, err);
    } while (is_done && cursor.bytes);
    return is_done;
}

bool verify_strays(struct verify *verify, struct error *err)
{
    return verify_rows(verify, NULL, err) &&
           (app_has_vectors_in_postgres(verify->app) || verify_namespaces(verify, err));
}
