#include "worker/page.h"

#include <string.h>

const struct page_part PAGE_PARTS[] = {
    {.name = "jobs",
     .title = "Jobs",
     .empty = "No job yet: `millrace submit` makes one, and so does every upload.",
     .is_private = true,
     .report = REPORT_JOBS,
     .row_max = 50,
     .values = {"job_id",          "user_id",         NULL,
                "job_type",        "status",          "control",
                "total_documents", "processed_count", "failed_count",
                "cancelled_count", "pages_done",      "chunks_done",
                "tokens_done",     "bytes_done",      "bytes_total",
                "error_message",   "created_at",      "started_at",
                "completed_at",    "seconds",         "seconds_left"},
     .columns = {{"job_id", "job", PAGE_ID},
                 {"user_id", "tenant", PAGE_ID},
                 {"status", "state", PAGE_STATE},
                 {"total_documents", "documents", PAGE_PROGRESS},
                 {"failed_count", "failed", PAGE_COUNT},
                 {"pages_done", "pages", PAGE_COUNT},
                 {"chunks_done", "chunks", PAGE_COUNT},
                 {"seconds_left", "left", PAGE_DURATION},
                 {"created_at", "submitted", PAGE_TIME}}},
    {.name = "failures",
     .title = "Failures by reason",
     .empty = "No document has failed.",
     .report = REPORT_FAILURES,
     .row_max = 50,
     .values = {"error_code", "document_count"},
     .columns = {{"error_code", "reason", PAGE_CODE},
                 {"document_count", "documents", PAGE_COUNT},
                 {"remedy", "what to do", PAGE_REMEDY}}},
    {.name = "dead_letters",
     .title = "Dead letters",
     .empty = "None: every message became a document, or needed none.",
     .is_private = true,
     .report = REPORT_DEAD_LETTERS,
     .row_max = 50,
     .values = {"topic", "partition", "offset", "event_no", "code", "message", NULL, "user_id",
                "buried_at"},
     .columns = {{"code", "reason", PAGE_CODE},
                 {"message", "what was found", PAGE_TEXT},
                 {"partition", "partition", PAGE_COUNT},
                 {"offset", "offset", PAGE_COUNT},
                 {"buried_at", "since", PAGE_TIME},
                 {"remedy", "what to do", PAGE_REMEDY}}},
    {.name = "tenants",
     .title = "Tenants by usage",
     .empty = "No tenant yet: the application inserts a row into users.",
     .is_private = true,
     .report = REPORT_TENANTS,
     .row_max = 200,
     .values = {"user_id", NULL, NULL, "total_documents", "pages", "chunks", "total_vectors",
                "total_storage_bytes", "failed_documents"},
     .columns = {{"user_id", "tenant", PAGE_ID},
                 {"total_documents", "documents", PAGE_COUNT},
                 {"pages", "pages", PAGE_COUNT},
                 {"total_vectors", "vectors", PAGE_COUNT},
                 {"total_storage_bytes", "stored", PAGE_BYTES},
                 {"failed_documents", "failed", PAGE_COUNT}}},
};
const size_t PAGE_PART_COUNT = COUNT_OF(PAGE_PARTS);

const struct page_part PAGE_LANES = {
    .name = "lanes",
    .title = "Lanes of this worker",
    .values = {"lane", "state", "error_code", "at_work", "allowed", "waiting", "requests",
               "failures"},
    .columns = {{"lane", "lane", PAGE_TEXT},
                {"state", "state", PAGE_TEXT},
                {"at_work", "at work", PAGE_COUNT},
                {"allowed", "allowed", PAGE_COUNT},
                {"waiting", "waiting", PAGE_COUNT},
                {"requests", "requests", PAGE_COUNT},
                {"failures", "no good answer", PAGE_COUNT},
                {"remedy", "what to do", PAGE_REMEDY}},
};

struct text page_value(const struct page_row *row, const char *name)
{
    for (size_t i = 0; i < PAGE_COLUMNS_MAX; i++)
        if (row->part->values[i] && strcmp(row->part->values[i], name) == 0)
            return row->values[i];
    return TEXT_NONE;
}

const char *page_remedy(const struct page_row *row)
{
    enum error_code code;
    struct text name = page_value(row, "error_code");
    if (!name.start)
        name = page_value(row, "code");
    return error_code_from_name(name, &code) ? error_remedy(code) : "";
}
