/*
 * journal.h - one log line for each change of a document's state, all with the same fields: document,
 *             tenant, job, start, and the trace of the message it came with.
 *
 *     document_started     claimed: the lease is ours, for the start-th time
 *     document_left        given back: comes again, or is parked in its row
 *     document_finished    final
 *
 * Thread: the loop thread.
 */
#ifndef WORKER_JOURNAL_H
#define WORKER_JOURNAL_H

#include "store/ledger.h"
#include "worker/outcome.h"
#include "worker/parcel.h"

struct journal {
    const struct document *document;
    const struct ledger_claim *claim;
    const struct parcel *parcel; /* NULL: from the janitor, which knows no trace */
};

void journal_started(const struct journal *journal);
void journal_left(const struct journal *journal, const char *stage,
                  const struct ledger_release *release, const struct error *err);
/* flow may be NULL: nothing was read. ran_ms: since the claim. */
void journal_finished(const struct journal *journal, const struct conclusion *conclusion,
                      const struct flow *flow, uint64_t ran_ms);

#endif
