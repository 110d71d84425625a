/*
 * bin.h - one call's worth of chunks, of as many requests as fit. Private to embed/.
 *
 * A slot whose ticket has ended is empty (ticket NULL): it is not sent again, and what comes for it
 * is thrown away.
 * Owns:   its call, the reply and the decoded rows; borrows its tickets.
 * Thread: the loop thread; bin_decode() on a work thread, while nobody else touches the bin but
 *         bin_forget().
 */
#ifndef EMBED_BIN_H
#define EMBED_BIN_H

#include "embed/batch.h"
#include "embed/codec.h"
#include "embed/lane.h"
#include "worker/base/http.h"
#include "worker/base/limiter.h"

struct slot {
    struct ticket *ticket;
    size_t chunk; /* of the ticket's request */
    uint64_t tokens;
};

struct bin {
    struct lane *lane;
    struct list_node node; /* of the lane's bins of one state */
    struct slot *slots;
    size_t slot_count, slots_allocated;
    struct batch batch;
    uint32_t attempt;     /* calls that failed by no fault of the texts */
    uint64_t answers;     /* the lane's, when the last of them failed */
    uint64_t probe_no;    /* the lane's, which tells whether it is the texts after all */
    bool was_refused;     /* alone, once: some servers say so of their own faults */
    struct permit permit; /* of the call under way */
    uint64_t sent_ms;     /* likewise */
    struct timer rest;    /* until it is sent again */
    struct http_request call;
    struct buffer body;
    struct work work; /* decoding the reply */
    struct codec_rows rows;
    struct codec_reply reply;
    struct error err;
    bool is_read;
};

struct bin *bin_new(struct lane *lane);
/* A call with a text of ours that no server can take offence at; its one slot is empty. */
struct bin *bin_new_probe(struct lane *lane);
void bin_free(struct bin *bin);
/* Takes chunks of the ticket while they fit, at most chunk_count_max; false: there is more. */
bool bin_pack(struct bin *bin, struct ticket *ticket, const struct batch_limits *limits,
              size_t chunk_count_max);
void bin_forget(struct bin *bin, const struct ticket *ticket);
void bin_drop_empty(struct bin *bin); /* closes the gaps; the rows of a reply are lost */
/* The second half of the slots (at least 2) goes to a new bin. */
struct bin *bin_halve(struct bin *bin);
void bin_write_body(struct bin *bin, const struct embed_options *options, bool is_base64);
void bin_prepare_rows(struct bin *bin, uint32_t dimension_count);
void bin_decode(struct work *work);
/* Hands out the good rows; the slots left are those of bad ones. */
void bin_deliver(struct bin *bin);
void bin_fail(struct bin *bin, const struct error *err); /* ends its tickets */
void bin_note(struct bin *bin, const struct error *err); /* tickets that end later say this */

#endif
