/*
 * ledger.h - claim, known, intend, stage, finish, release, bury, sweep: the document protocol in
 *            PostgreSQL (protocol/README.md in the design; store/sql.h has the statements).
 *
 * Requests of one kind that wait together travel as one batched statement: at once when nothing of
 * that kind is in flight, else when the answer comes, at most LEDGER_BATCH_MAX rows; what goes
 * ahead (its tenant has little in work) in batches of its own. One that fails is bisected, so that
 * only the guilty request fails. Lost replies are asked again here.
 * Knows no vectors: a swept generation is only named to the caller, who deletes it.
 * Owns:   nothing of the requests: caller's memory, borrowed until on_done, which comes exactly
 *         once and never from inside the call. cancel is not offered: the answers come within the
 *         statement timeout.
 * Thread: the loop thread.
 */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "store/pg.h"
#include "worker/model/chunk.h"
#include "worker/model/document.h"
#include "worker/model/link.h"
#include "worker/model/tenant.h"

#define LEDGER_BATCH_MAX 5000
#define LEASE_MS 15000
#define LEASE_PULSE_MS 5000

struct ledger;
struct ledger_options {
    bool vectors_in_postgres; /* chunk rows carry their vector, litter is not needed */
    bool has_user_schemas;    /* DB_USE_USER_SCHEMAS */
    uint32_t dimension_count;
    struct text pipeline; /* fingerprint of what makes vectors: chunker, model, dimensions */
    uint64_t
        extracted_text_bytes_max; /* kept in documents.extracted_text; above: null with a note */
};

struct ledger *ledger_open(struct loop *loop, struct pg *pg, const struct ledger_options *options,
                           struct error *err) MUST_CHECK;
void ledger_close(struct ledger *ledger); /* no request may wait */

enum claim_verdict {
    CLAIM_GO,
    CLAIM_BUSY,
    CLAIM_DONE,
    CLAIM_NO_TENANT,
    CLAIM_NO_ITEM,
    CLAIM_TENANT_MISMATCH,
    CLAIM_PARKED
};

struct ledger_claim {
    /* in */
    const struct tenant *tenant;
    const struct document *document;
    bool goes_ahead;
    struct uuid job;        /* nil: a removal */
    bool is_bare;           /* make the job unless open items of other jobs take the event */
    bool may_uncover;       /* a removal that is worth a look at a document without vectors, too */
    uint64_t fence;         /* 1 .. 2^63-1, random */
    struct text event_etag; /* with its time: what it tells of, and whether that is done or old */
    uint64_t event_time_ms;
    void (*on_done)(struct ledger_claim *claim, const struct error *err);
    /* out */
    enum claim_verdict verdict;
    struct uuid item_job; /* whose item this attempt runs: of a bare event perhaps an older one */
    bool has_live;        /* gen below is live */
    uint64_t live_gen;
    char live_etag[256];  /* without a live one: of what was decided last */
    bool is_live_current; /* it was made by this very pipeline */
    uint32_t live_chunk_count;
    uint32_t starts; /* this one included */
    bool is_stopped; /* job cancelled: finish it so */
    bool is_paused;  /* job paused: park it */
    bool is_tenant_active, is_over_quota;
    uint64_t told_ms;         /* of the object's newest event claimed so far; 0: none had a time */
    uint64_t told_age_ms;     /* so long ago, by the database's clock */
    bool is_told_gone;        /* it was a removal */
    char told_etag[256];      /* of a put; empty: it named none */
    uint64_t busy_ms;         /* CLAIM_BUSY: how long the other lease still runs */
    uint32_t weight_permille; /* the tenant's share, 1000 is one; 0: like everybody */
    uint32_t in_flight_max;   /* of the tenant's events; 0: like everybody */
    struct buffer link;       /* where the document is fetched from, when that is no bucket: the
                                 caller wipes and releases it */
    struct list_node waiting; /* private from here */
    uint32_t tries;
};
void ledger_claim(struct ledger *ledger, struct ledger_claim *claim);

/* Which of these hashes the live generation already has. */
struct ledger_known {
    const struct tenant *tenant;
    const struct document *document;
    uint64_t live_gen;
    struct chunk *const *chunks;
    size_t chunk_count;
    int64_t *known_no; /* out: chunk_count numbers of the live generation's chunks, -1: unknown */
    void (*on_done)(struct ledger_known *known, const struct error *err);
    struct list_node waiting;
};
void ledger_known(struct ledger *ledger, struct ledger_known *known);

enum intend_answer { INTEND_GO, INTEND_STOP, INTEND_INACTIVE, INTEND_LOST }; /* stop: cancelled */
struct ledger_intend { /* renews the lease; reserves the vector ids 0 .. reserved-1 */
    const struct document *document;
    const struct tenant *tenant;
    uint64_t fence;
    uint32_t reserved; /* 0 or unchanged: only the lease */
    bool goes_ahead;
    void (*on_done)(struct ledger_intend *intend, const struct error *err);
    enum intend_answer answer; /* out */
    uint64_t sent_ms; /* out: loop time when the statement left: the lease runs from here */
    struct list_node waiting;
};
void ledger_intend(struct ledger *ledger, struct ledger_intend *intend);

struct ledger_stage { /* chunk rows of an attempt, by COPY; with their vectors if those live here */
    const struct tenant *tenant;
    const struct document *document;
    uint64_t fence;
    struct chunk *const *chunks;
    size_t chunk_count;
    void (*on_done)(struct ledger_stage *stage, const struct error *err);
    struct list_node waiting;
    void *private_state;
};
void ledger_stage(struct ledger *ledger, struct ledger_stage *stage);
/* Vectors are staged as halfvec from now on, which the schema must take; else as real[]. */
void ledger_stage_halves(struct ledger *ledger, bool is_half);

enum finish_answer {
    FINISH_OK,
    FINISH_LOST,
    FINISH_RESTAGE /* staged rows are gone: stage them again */
};
struct ledger_finish {
    /* in */
    const struct tenant *tenant;
    const struct document *document;
    uint64_t fence;
    struct uuid job; /* nil: none */
    enum document_effect effect;
    enum document_outcome outcome;
    bool has_code;
    enum error_code code;                         /* with skipped, failed, cancelled */
    struct text message;                          /* for people: sentence, detail */
    struct text etag, title, mime_type, metadata; /* metadata: a JSON object */
    struct text extracted_text;                   /* start NULL: not kept */
    struct text price; /* of tokens_billed, a decimal number; start NULL: none */
    uint64_t size_bytes, token_count, tokens_billed;
    uint32_t chunk_count, page_count;
    bool is_dirty, goes_ahead; /* dirty: a store request of this attempt ended ambiguously */
    void (*on_done)(struct ledger_finish *finish, const struct error *err);
    enum finish_answer answer; /* out */
    struct list_node waiting;  /* private from here */
    bool is_text_staged, is_text_dropped;
};
void ledger_finish(struct ledger *ledger, struct ledger_finish *finish);

/* Drain, pause, long back-off: the lease ends, the item stays open. A removal (job nil) has no item:
 * it is put off in the row of the document, as long as that is live. */
struct ledger_release {
    const struct document *document;
    uint64_t fence; /* 0: nothing was claimed (unknown tenant) */
    struct uuid job;
    bool is_parked; /* the item (or the row) gets due = now + due_ms, so its event may settle */
    uint64_t due_ms;
    bool has_code;
    enum error_code code; /* why: shown while it waits */
    struct text message;
    void (*on_done)(struct ledger_release *release, const struct error *err);
    bool was_parked;   /* out: an open item, or the row, holds it now */
    bool is_exhausted; /* out: parked for longer than allowed (24 h): finish it as gave_up */
    struct list_node waiting;
};
void ledger_release(struct ledger *ledger, struct ledger_release *release);

struct ledger_burial { /* a dead letter; once per (topic, partition, offset, event_no), however
                          often asked */
    struct text topic, key, value; /* value.start NULL: null */
    int32_t partition;
    int64_t offset;
    uint32_t event_no;
    uint64_t time_ms;
    struct text headers; /* JSON: [[name, base64]]; none: a letter before has key, value, headers */
    enum error_code code;
    struct text message;
    bool has_user;
    struct uuid user_id;
    void (*on_done)(struct ledger_burial *burial, const struct error *err);
    bool is_new; /* out */
    struct list_node waiting;
};
void ledger_bury(struct ledger *ledger, struct ledger_burial *burial);

/* Litter: dead generations whose vectors may exist. DEAD lists, the caller deletes, SWEPT forgets.
 */
struct litter {
    struct uuid document, user_id;
    uint64_t gen;
    uint32_t vector_count; /* ids 0 .. vector_count-1 may exist */
    int64_t as_of_us;      /* pass back to swept */
};
struct ledger_dead {
    struct uuid document;            /* in: nil: any, up to litter_max, those past quiet_at first */
    struct litter *litter;           /* in: caller's memory */
    size_t litter_max, litter_count; /* count: out */
    void (*on_done)(struct ledger_dead *dead, const struct error *err);
    struct list_node waiting;
};
void ledger_dead(struct ledger *ledger, struct ledger_dead *dead);
struct ledger_swept {
    struct litter litter;
    void (*on_done)(struct ledger_swept *swept, const struct error *err);
    struct list_node waiting;
};
void ledger_swept(struct ledger *ledger, struct ledger_swept *swept);

/* The janitor's finds: open items past due, items whose lease ran out long ago, items that no event
 * came for (a lost event, a killed submit), and removals that were put off (job nil). Takes them by
 * pushing their due ahead (60 s), so that two janitors do not run the same. */
struct due_item {
    struct uuid job, document, user_id;
    char bucket[64];
    char key[TENANT_KEY_BYTES_MAX + 1];
    bool is_overdue; /* parked for longer than 24 h in all */
};
struct ledger_due {
    struct due_item *items; /* in: caller's memory */
    size_t item_max;
    size_t item_count;     /* out */
    uint64_t parked_count; /* out: all that wait, for the gauge */
    void (*on_done)(struct ledger_due *due, const struct error *err);
    struct list_node waiting;
};
void ledger_due(struct ledger *ledger, struct ledger_due *due);

size_t ledger_waiting_count(const struct ledger *ledger);

#endif
