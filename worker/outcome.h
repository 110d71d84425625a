/*
 * outcome.h - what FINISH shall write: effect, reason, figures, words for people.
 *
 * Owns:   the metadata text, until outcome_release().
 * Thread: the loop thread.
 */
#ifndef WORKER_OUTCOME_H
#define WORKER_OUTCOME_H

#include "queue/object.h"
#include "store/ledger.h"
#include "worker/base/json.h"
#include "worker/flow.h"

struct conclusion {
    enum document_effect effect;
    enum document_outcome outcome;
    bool has_code, is_dirty, is_removal_applied;
    struct error err;
    char message[640]; /* sentence, detail, remedy: documents.error_message */
    struct buffer metadata;
    char price[JSON_NUMBER_BYTES_MAX]; /* of the tokens billed; empty: not known */
};

/* flow may be NULL: nothing was read. */
void outcome_fill(struct conclusion *conclusion, const struct object_request *get,
                  const struct flow *flow, struct ledger_finish *ret_finish);
void outcome_release(struct conclusion *conclusion);

#endif
