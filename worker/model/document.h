/*
 * document.h - one object of one tenant: its derived ids and the words of its outcomes. Pure.
 *
 * Owns:   nothing; the texts are borrowed from whoever made the document.
 * Thread: any.
 */
#ifndef WORKER_MODEL_DOCUMENT_H
#define WORKER_MODEL_DOCUMENT_H

#include "worker/base/crypto.h"

struct document {
    struct uuid id;
    struct text bucket;
    struct text key; /* decoded */
};

enum document_outcome {
    OUTCOME_SUCCESS,
    OUTCOME_SKIPPED,
    OUTCOME_FAILED,
    OUTCOME_CANCELLED,
    OUTCOME_COUNT
};
/* What a finish does to the live generation (protocol/README.md, FINISH effects). */
enum document_effect { EFFECT_LIVE, EFFECT_KEEP, EFFECT_DROP, EFFECT_GONE, EFFECT_COUNT };

#define VECTOR_ID_BYTES_MAX 72 /* <36>#<16 hex>#<10 digits> and a NUL */

/* UUIDv5(MILLRACE_SPACE, bucket "/" key): a replay needs no look-up. */
struct document document_of(struct text bucket, struct text key);
/* The job of a bare upload: UUIDv5(document, identity of the version), identity = the event's
 * sequencer, else its version id, else eTag and time. */
struct uuid document_bare_job(const struct document *document, struct text version_identity);
const char *outcome_name(enum document_outcome outcome); /* "success" */
const char *effect_name(enum document_effect effect);    /* "live" */
/* <document>#<gen>#<no>, gen in lower-case hex. Returns buffer. */
const char *vector_id_format(struct uuid document, uint64_t gen, uint32_t no,
                             char buffer[VECTOR_ID_BYTES_MAX]);
bool vector_id_parse(struct text id, struct uuid *ret_document, uint64_t *ret_gen,
                     uint32_t *ret_no) MUST_CHECK;

#endif
