#include "embed/bin.h"

#include <assert.h>
#include <string.h>

#include "worker/base/memory.h"

struct bin *bin_new(struct lane *lane)
{
    struct bin *bin = xcalloc(1, sizeof(*bin));
    bin->lane = lane;
    bin->body = buffer_new(SIZE_MAX / 2);
    return bin;
}

static void forget_reply(struct bin *bin)
{
    xfree(bin->rows.floats);
    xfree(bin->rows.states);
    bin->rows = (struct codec_rows){0};
}

void bin_free(struct bin *bin)
{
    forget_reply(bin);
    buffer_release(&bin->body);
    xfree(bin->slots);
    xfree(bin);
}

static void push_slot(struct bin *bin, struct slot slot)
{
    if (bin->slot_count == bin->slots_allocated) {
        bin->slots_allocated = bin->slots_allocated ? bin->slots_allocated * 2 : 16;
        bin->slots = xrealloc(bin->slots, bin->slots_allocated, sizeof(*bin->slots));
    }
    bin->slots[bin->slot_count++] = slot;
}

struct bin *bin_new_probe(struct lane *lane)
{
    struct bin *bin = bin_new(lane);
    push_slot(bin, (struct slot){.tokens = 1});
    bin->batch = (struct batch){.input_count = 1, .tokens = 1};
    return bin;
}

bool bin_pack(struct bin *bin, struct ticket *ticket, const struct batch_limits *limits,
              size_t chunk_count_max)
{
    struct embed_request *request = ticket->request;
    for (; request->next_chunk < request->chunk_count; request->next_chunk++) {
        const struct chunk *chunk = request->chunks[request->next_chunk];
        if (chunk->vector)
            continue;
        size_t bytes = chunk->prefix.bytes + chunk->content.bytes;
        uint64_t tokens = batch_tokens(chunk->token_count, bytes);
        if (chunk_count_max-- == 0 || !batch_add(&bin->batch, limits, tokens, bytes + 3))
            return false;
        push_slot(bin, (struct slot){ticket, request->next_chunk, tokens});
    }
    return true;
}

void bin_forget(struct bin *bin, const struct ticket *ticket)
{
    for (size_t i = 0; i < bin->slot_count; i++)
        if (bin->slots[i].ticket == ticket)
            bin->slots[i].ticket = NULL;
}

static void count_batch(struct bin *bin)
{
    bin->batch = (struct batch){.input_count = bin->slot_count};
    for (size_t i = 0; i < bin->slot_count; i++)
        bin->batch.tokens += bin->slots[i].tokens;
}

void bin_drop_empty(struct bin *bin)
{
    size_t kept = 0;
    for (size_t i = 0; i < bin->slot_count; i++)
        if (bin->slots[i].ticket)
            bin->slots[kept++] = bin->slots[i];
    bin->slot_count = kept;
    forget_reply(bin);
    count_batch(bin);
}

struct bin *bin_halve(struct bin *bin)
{
    assert(bin->slot_count >= 2);
    struct bin *half = bin_new(bin->lane);
    size_t kept = bin->slot_count / 2;
    for (size_t i = kept; i < bin->slot_count; i++)
        push_slot(half, bin->slots[i]);
    bin->slot_count = kept;
    half->attempt = bin->attempt;
    half->answers = bin->answers;
    count_batch(bin);
    count_batch(half);
    return half;
}

static struct chunk *chunk_of(const struct slot *slot)
{
    return slot->ticket->request->chunks[slot->chunk];
}

void bin_write_body(struct bin *bin, const struct embed_options *options, bool is_base64)
{
    static const struct chunk HARMLESS = {.content = {"text", 4}};
    buffer_clear(&bin->body);
    codec_begin(&bin->body, options->model);
    for (size_t i = 0; i < bin->slot_count; i++) {
        const struct slot *slot = &bin->slots[i];
        const struct chunk *chunk = slot->ticket ? chunk_of(slot) : &HARMLESS;
        codec_input(&bin->body, i == 0, chunk->prefix, chunk->content);
    }
    codec_end(&bin->body, options->sends_dimensions ? options->dimension_count : 0, is_base64);
}

void bin_prepare_rows(struct bin *bin, uint32_t dimension_count)
{
    forget_reply(bin);
    bin->rows = (struct codec_rows){
        .floats = xmalloc(bin->slot_count * dimension_count * sizeof(float)),
        .states = xcalloc(bin->slot_count, sizeof(enum codec_row)),
        .count = bin->slot_count,
        .width = dimension_count,
    };
}

void bin_decode(struct work *work)
{
    struct bin *bin = container_of(work, struct bin, work);
    bin->is_read = codec_read(buffer_text(&bin->call.reply), &bin->rows, &bin->reply, &bin->err);
}

static void deliver_row(struct bin *bin, size_t at, uint64_t tokens_billed)
{
    struct slot *slot = &bin->slots[at];
    struct ticket *ticket = slot->ticket;
    struct embed_request *request = ticket->request;
    struct chunk *chunk = chunk_of(slot);
    uint32_t width = bin->rows.width;
    float *row = request->vectors + slot->chunk * width;
    memcpy(row, bin->rows.floats + at * width, width * sizeof(float));
    chunk->vector = row;
    chunk->tokens_billed = (uint32_t)tokens_billed;
    request->tokens_billed += tokens_billed;
    slot->ticket = NULL;
    if (--request->open_chunks == 0)
        embed_ticket_done(ticket, NULL);
}

void bin_deliver(struct bin *bin)
{
    uint64_t tokens = bin->batch.tokens, billed = bin->reply.tokens, seen = 0, given = 0;
    for (size_t i = 0; i < bin->slot_count; i++) {
        seen += bin->slots[i].tokens; /* shares by size, without losing the rest of a division */
        uint64_t due = tokens ? (uint64_t)((double)billed * (double)seen / (double)tokens) : 0;
        uint64_t share = due > given ? due - given : 0;
        given += share;
        if (bin->slots[i].ticket && bin->rows.states[i] == CODEC_GOOD)
            deliver_row(bin, i, share);
    }
    bin_drop_empty(bin);
}

void bin_note(struct bin *bin, const struct error *err)
{
    for (size_t i = 0; i < bin->slot_count; i++)
        if (bin->slots[i].ticket)
            bin->slots[i].ticket->last_err = *err;
}

void bin_fail(struct bin *bin, const struct error *err)
{
    for (size_t i = 0; i < bin->slot_count; i++) {
        struct ticket *ticket = bin->slots[i].ticket;
        if (!ticket)
            continue;
        bin_forget(bin, ticket); /* a bin in the air is in no list of the lane's */
        embed_ticket_done(ticket, err);
    }
}
