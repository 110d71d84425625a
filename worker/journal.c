#include "worker/journal.h"

#include <string.h>

#include "queue/trace.h"
#include "worker/base/log.h"

#define COMMON_FIELDS 5
#define FIELDS_MAX 16

static size_t add_common(const struct journal *journal, struct field fields[COMMON_FIELDS])
{
    const struct ledger_claim *claim = journal->claim;
    size_t count = 0;
    fields[count++] = FIELD_UUID("document", journal->document->id);
    fields[count++] = FIELD_UUID("tenant", claim->tenant->id);
    fields[count++] = FIELD_U64("start", claim->starts);
    if (!uuid_is_nil(claim->item_job))
        fields[count++] = FIELD_UUID("job", claim->item_job);
    if (journal->parcel) {
        const struct message_view *view = message_view(journal->parcel->message);
        struct text trace = trace_id_of(view->headers, view->header_count);
        if (trace.bytes)
            fields[count++] = FIELD_TEXT("trace", trace);
    }
    return count;
}

static void write_line(const struct journal *journal, const char *event, const struct field *more,
                       size_t more_count)
{
    struct field fields[FIELDS_MAX];
    size_t count = add_common(journal, fields);
    memcpy(fields + count, more, more_count * sizeof(*more));
    log_write(LOG_LEVEL_INFO, event, fields, count + more_count);
}

#define WRITE_LINE(journal, event, ...)                             \
    write_line(journal, event, (const struct field[]){__VA_ARGS__}, \
               sizeof((const struct field[]){__VA_ARGS__}) / sizeof(struct field))

void journal_started(const struct journal *journal)
{
    WRITE_LINE(journal, "document_started", FIELD_BOOL("has_live", journal->claim->has_live));
}

void journal_left(const struct journal *journal, const char *stage,
                  const struct ledger_release *release, const struct error *err)
{
    WRITE_LINE(journal, "document_left", FIELD_STR("stage", stage), FIELD_ERROR(err),
               FIELD_U64("delay_ms", release->due_ms), FIELD_BOOL("is_parked", release->is_parked));
}

void journal_finished(const struct journal *journal, const struct conclusion *conclusion,
                      const struct flow *flow, uint64_t ran_ms)
{
    const struct flow_result *result = flow ? flow_result(flow) : NULL;
    WRITE_LINE(journal, "document_finished",
               FIELD_STR("outcome", outcome_name(conclusion->outcome)),
               FIELD_STR("effect", effect_name(conclusion->effect)),
               FIELD_STR("code", conclusion->has_code ? error_name(conclusion->err.code) : "none"),
               FIELD_U64("pages", result ? result->page_count : 0),
               FIELD_U64("chunks", result ? result->chunk_count : 0), FIELD_U64("ran_ms", ran_ms));
}
