/*
 * dlq.h - what the verbs of `millrace dlq` share.
 *
 * Thread: the loop thread, outside of callbacks.
 */
#ifndef WORKER_DLQ_H
#define WORKER_DLQ_H

#include "store/letters.h"
#include "worker/cmd.h"
#include "worker/cmd_ask.h"
#include "worker/operator.h"
#include "worker/term.h"

struct dlq {
    struct app app;
    struct config config;
    struct letter_filter filter;
    const char *user;  /* --tenant; or NULL */
    char place[300];   /* as it was written; empty: none */
    char detail[1024]; /* the filter, for the record */
    char who[OPERATOR_BYTES];
    uint64_t letters_max, rate;
    bool is_json, is_sure, is_dry; /* --yes, --dry-run */
    struct term term;              /* stdout */
};

/* Columns of LETTERS_LIST, then those that LETTERS_SHOW has beside them. */
enum letter_column {
    LETTER_PLACE,
    LETTER_TOPIC,
    LETTER_PARTITION,
    LETTER_OFFSET,
    LETTER_EVENT,
    LETTER_CODE,
    LETTER_MESSAGE,
    LETTER_KEY,
    LETTER_USER,
    LETTER_BURIED,
    LETTER_RESOLUTION,
    LETTER_RESOLVED,
    LETTER_RESOLVED_BY,
    LETTER_COLUMN_COUNT,
    LETTER_KEY_HEX = LETTER_COLUMN_COUNT,
    LETTER_VALUE_HEX,
    LETTER_HEADERS,
    LETTER_EVENT_TIME,
};

/* One request; its rows go to ask.on_rows. */
bool dlq_ask(struct dlq *dlq, struct letters *letters, struct ask ask,
             struct error *err) MUST_CHECK;
/* ERR_NOT_FOUND when the place names no letter, ERR_ENDED when it is settled. */
bool dlq_check_place(struct dlq *dlq, struct error *err) MUST_CHECK;
/* For people: where it lies, why, and what to do about it. */
void dlq_append_letter(struct buffer *out, const struct dlq *dlq, const struct pg_result *rows,
                       size_t row);
/* is_whole: rows of LETTERS_SHOW. */
void dlq_append_json(struct buffer *out, const struct pg_result *rows, size_t row, bool is_whole);

bool dlq_list(struct dlq *dlq, struct error *err) MUST_CHECK;
bool dlq_show(struct dlq *dlq, struct error *err) MUST_CHECK;
bool dlq_replay(struct dlq *dlq, struct error *err) MUST_CHECK;
bool dlq_discard(struct dlq *dlq, struct error *err) MUST_CHECK;

#endif
