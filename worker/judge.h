/*
 * judge.h - what to do with what a claim or a bucket answered. Pure.
 *
 * Thread: any.
 */
#ifndef WORKER_JUDGE_H
#define WORKER_JUDGE_H

#include "worker/intake.h"

enum judged {
    JUDGED_GO_ON,
    JUDGED_DISMISS, /* no work; its item ends with outcome and code */
    JUDGED_PARK,    /* not now: it waits in its row for park_ms */
};

struct judgement {
    enum judged kind;
    enum error_code code;
    enum document_outcome outcome;
    uint64_t park_ms;
};

/* A claim that answered CLAIM_GO. */
struct judgement judge_claim(const struct ledger_claim *claim, const struct arrival *arrival);
/* So many attempts were lost that it may be the document that kills workers. */
bool judge_is_suspect(const struct ledger_claim *claim);
/* The bucket showed an older state than the newest event that is known of the object tells of: its
 * view lags, and is not believed for a minute after that event. etag.start NULL: nothing was
 * there; modified_ms since 1970, 0: not known. */
bool judge_lags(const struct ledger_claim *claim, const struct arrival *arrival, struct text etag,
                uint64_t modified_ms);
/* An event of an unknown user waits for the sign-up, up to wait_ms after it was sent. */
bool judge_may_sign_up_yet(const struct arrival *arrival, uint64_t wall_ms, uint64_t now_ms,
                           uint64_t wait_ms);

#endif
