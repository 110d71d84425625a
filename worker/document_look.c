#include "worker/document_look.h"

#include <stdio.h>

#include "queue/object.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/explain.h"
#include "worker/model/link.h"
#include "worker/rows.h"
#include "worker/term.h"

#define OUT_BYTES_MAX ((size_t)1 << 20)

struct asked { /* the row, copied */
    bool is_there;
    char *values[DOCUMENT_COLUMN_COUNT];
};

static void on_document(void *arg, const struct pg_result *rows)
{
    struct asked *asked = arg;
    asked->is_there = pg_row_count(rows) > 0;
    for (size_t i = 0; asked->is_there && i < DOCUMENT_COLUMN_COUNT; i++) {
        struct text value = pg_value(rows, 0, i);
        asked->values[i] = value.start ? xstrdup(value) : NULL;
    }
}

static struct text text_at(const struct asked *asked, enum document_column column)
{
    return text_from(asked->values[column]);
}

static uint64_t number_at(const struct asked *asked, enum document_column column)
{
    uint64_t value;
    return text_parse_u64(text_at(asked, column), &value) ? value : 0;
}

static struct standing standing_of(const struct asked *asked)
{
    return (struct standing){
        .control = text_at(asked, DOCUMENT_CONTROL),
        .control_by = text_at(asked, DOCUMENT_CONTROL_BY),
        .control_at = text_at(asked, DOCUMENT_CONTROL_AT),
        .open = number_at(asked, DOCUMENT_JOB_OPEN),
        .running = number_at(asked, DOCUMENT_JOB_RUNNING),
        .workers = number_at(asked, DOCUMENT_WORKERS),
        .worker_seen_at = text_at(asked, DOCUMENT_WORKER_SEEN),
        .kafka_lag = number_at(asked, DOCUMENT_LAG),
        .oldest_s = number_at(asked, DOCUMENT_OLDEST),
        .trouble_code = text_at(asked, DOCUMENT_TROUBLE_CODE),
        .trouble_message = text_at(asked, DOCUMENT_TROUBLE),
    };
}

static struct explanation explanation_of(const struct asked *asked)
{
    return (struct explanation){
        .document = text_at(asked, DOCUMENT_ID),
        .bucket = text_at(asked, DOCUMENT_BUCKET),
        .key = text_at(asked, DOCUMENT_KEY),
        .user = text_at(asked, DOCUMENT_USER),
        .is_user_active = number_at(asked, DOCUMENT_IS_ACTIVE) > 0,
        .status = text_at(asked, DOCUMENT_STATUS),
        .code = text_at(asked, DOCUMENT_CODE),
        .message = text_at(asked, DOCUMENT_MESSAGE),
        .created_at = text_at(asked, DOCUMENT_CREATED),
        .processed_at = text_at(asked, DOCUMENT_PROCESSED),
        .deleted_at = text_at(asked, DOCUMENT_DELETED),
        .source = text_at(asked, DOCUMENT_SOURCE),
        .has_vectors = number_at(asked, DOCUMENT_HAS_LIVE) > 0,
        .chunks = number_at(asked, DOCUMENT_CHUNKS),
        .pages = number_at(asked, DOCUMENT_PAGES),
        .bytes = number_at(asked, DOCUMENT_BYTES),
        .starts = number_at(asked, DOCUMENT_STARTS),
        .is_leased = number_at(asked, DOCUMENT_LEASE_S) > 0,
        .lease_s = number_at(asked, DOCUMENT_LEASE_S),
        .job = text_at(asked, DOCUMENT_JOB),
        .job_status = text_at(asked, DOCUMENT_JOB_STATUS),
        .outcome = text_at(asked, DOCUMENT_OUTCOME),
        .has_item = number_at(asked, DOCUMENT_HAS_ITEM) > 0,
        .parked_s = number_at(asked, DOCUMENT_PARKED_S),
        .parked_message = text_at(asked, DOCUMENT_PARKED),
        .standing = standing_of(asked),
        .row_etag = text_at(asked, DOCUMENT_ETAG),
    };
}

/* ---- the bucket ------------------------------------------------------------------------------ */

struct head {
    struct object_request request;
    struct wait wait;
};

static void on_head(struct object_request *request, const struct error *err)
{
    wait_done(&container_of(request, struct head, request)->wait, err);
}

/* What lies behind a link is fetched once and belongs to somebody else: nobody asks there. */
static void look_at_bucket(const struct document_look *look, struct explanation *explanation,
                           struct head *head, struct error *err)
{
    struct uuid user;
    if (!look->asks_bucket || text_equal(explanation->source, TEXT("url")) ||
        !uuid_parse(explanation->user, &user))
        return;
    struct tenant tenant = tenant_from_user_id(user);
    if (!tenant_owns_key(&tenant, explanation->key))
        return;
    head->wait = wait_on(look->app->loop);
    head->request = (struct object_request){.verb = OBJECT_HEAD,
                                            .tenant = &tenant,
                                            .bucket = explanation->bucket,
                                            .key = explanation->key,
                                            .body_fd = -1,
                                            .on_done = on_head};
    objects_send(look->app->objects, &head->request);
    bool is_there = wait_for(&head->wait, 0, err); /* a request has its own limits */
    explanation->object_etag = text_from(head->request.etag);
    explanation->object_bytes = head->request.body_bytes;
    if (!is_there) {
        explanation->look = err->code == ERR_GONE ? LOOK_GONE : LOOK_FAILED;
        explanation->look_message = text_from(err->message);
    } else if (!explanation->row_etag.bytes || explanation->deleted_at.bytes) {
        explanation->look = LOOK_THERE;
    } else {
        bool is_same = text_equal(explanation->row_etag, explanation->object_etag);
        explanation->look = is_same ? LOOK_SAME : LOOK_OTHER;
    }
}

/* ---- printing -------------------------------------------------------------------------------- */

static void write_text(struct json_writer *writer, const char *name, struct text text)
{
    if (text.bytes)
        json_write_text(writer, name, text);
    else
        json_write_null(writer, name);
}

static void write_json(struct buffer *out, const struct explanation *explanation)
{
    static const char *const looks[] = {
        [LOOK_NOT_ASKED] = NULL, [LOOK_FAILED] = "unknown",      [LOOK_GONE] = "gone",
        [LOOK_SAME] = "same",    [LOOK_OTHER] = "other_version", [LOOK_THERE] = "there",
    };
    AUTO_BUFFER struct buffer words = buffer_new(OUT_BYTES_MAX);
    struct json_writer writer = json_writer_new(out);
    explain_append(&words, explanation);
    json_open_object(&writer, NULL);
    json_write_text(&writer, "kind", TEXT("explanation"));
    json_write_text(&writer, "document", explanation->document);
    write_text(&writer, "bucket", explanation->bucket);
    json_write_text(&writer, "key", explanation->key);
    json_write_text(&writer, "user", explanation->user);
    json_write_text(&writer, "state", text_from(explain_word(explanation)));
    write_text(&writer, "status", explanation->status);
    write_text(&writer, "code", explanation->code);
    write_text(&writer, "job", explanation->job);
    write_text(&writer, "outcome", explanation->outcome);
    json_write_u64(&writer, "chunks", explanation->chunks);
    json_write_u64(&writer, "pages", explanation->pages);
    json_write_u64(&writer, "starts", explanation->starts);
    write_text(&writer, "bucket_holds", text_from(looks[explanation->look]));
    json_write_text(&writer, "text", buffer_text(&words));
    json_close_object(&writer);
    buffer_append_char(out, '\n');
}

static void print(const struct document_look *look, const struct explanation *explanation)
{
    AUTO_BUFFER struct buffer out = buffer_new(OUT_BYTES_MAX), words = buffer_new(OUT_BYTES_MAX);
    bool no_color = environment_get(look->app->config->environment, "NO_COLOR") != NULL;
    struct term term = term_on(stdout, no_color);
    if (look->is_json) {
        write_json(&out, explanation);
    } else {
        explain_append(&words, explanation);
        term_append_folded(&out, buffer_text(&words),
                           (struct term_fold){.columns = term_columns(&term)});
    }
    term_write(stdout, buffer_text(&out));
}

bool document_look(const struct document_look *look, bool *ret_is_there, struct error *err)
{
    struct asked asked = {0};
    struct head head = {0};
    struct error look_err;
    struct report report = {
        .kind = REPORT_DOCUMENT, .has_id = true, .id = look->document, .row_max = 1};
    if (!ask_report(look->app, report, (struct ask){on_document, &asked}, err))
        return false;
    *ret_is_there = asked.is_there;
    if (asked.is_there) {
        struct explanation explanation = explanation_of(&asked);
        look_at_bucket(look, &explanation, &head, &look_err);
        print(look, &explanation);
    }
    for (size_t i = 0; i < DOCUMENT_COLUMN_COUNT; i++)
        xfree(asked.values[i]);
    return true;
}
