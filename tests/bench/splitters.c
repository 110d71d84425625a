#include "tests/bench/splitters.h"

#include <assert.h>
#include <string.h>

#include "chunker/tokens.h"
#include "worker/base/memory.h"

static void push(struct splits *out, size_t start, size_t end, uint32_t token_count)
{
    if (out->count == out->allocated) {
        out->allocated = out->allocated ? out->allocated * 2 : 256;
        out->items = xrealloc(out->items, out->allocated, sizeof(*out->items));
    }
    out->items[out->count++] = (struct split){start, end, token_count};
}

void splits_release(struct splits *splits)
{
    xfree(splits->items);
    *splits = (struct splits){0};
}

/* ---- equal portions -------------------------------------------------------------------------- */

static size_t char_start(struct text text, size_t at)
{
    while (at < text.bytes && ((uint8_t)text.start[at] & 0xc0) == 0x80)
        at++;
    return at;
}

void split_fixed(struct text text, uint32_t tokens, uint32_t overlap, struct splits *out)
{
    size_t count = tokens_count(text);
    uint32_t *ids = xcalloc(count + 1, sizeof(*ids));
    size_t *places = xcalloc(count + 1, sizeof(*places));
    (void)tokens_encode(text, ids, count);
    for (size_t i = 0; i < count; i++)
        places[i + 1] = places[i] + tokens_text(ids[i]).bytes;
    assert(places[count] == text.bytes && overlap < tokens);
    for (size_t from = 0; from < count; from += tokens - overlap) {
        size_t to = count - from < tokens ? count : from + tokens;
        push(out, char_start(text, places[from]), char_start(text, places[to]),
             (uint32_t)(to - from));
        if (to == count)
            break;
    }
    xfree(places);
    xfree(ids);
}

/* ---- the recursive splitter ------------------------------------------------------------------ */

static const struct text SEPARATORS[] = {{"\n\n", 2}, {"\n", 1}, {".", 1}, {"?", 1},
                                         {"!", 1},    {" ", 1},  {"", 0}};

struct recursion {
    struct text text;
    uint32_t size, overlap;
    struct splits *out;
};

static struct text part_of(const struct recursion *recursion, const struct split *split)
{
    return text_slice(recursion->text, split->start, split->end);
}

/* A chunk of neighbouring parts, white space at its ends dropped. */
static void push_joined(struct recursion *recursion, const struct split *first,
                        const struct split *last)
{
    struct split whole = {first->start, last->end, 0};
    struct text trimmed = text_trim(part_of(recursion, &whole));
    if (trimmed.bytes == 0)
        return;
    size_t start = (size_t)(trimmed.start - recursion->text.start);
    push(recursion->out, start, start + trimmed.bytes, (uint32_t)tokens_count(trimmed));
}

static void merge(struct recursion *recursion, const struct splits *parts)
{
    size_t first = 0;
    uint32_t total = 0;
    for (size_t i = 0; i < parts->count; i++) {
        uint32_t own = parts->items[i].token_count;
        if (total + own > recursion->size && i > first) {
            push_joined(recursion, &parts->items[first], &parts->items[i - 1]);
            while (total > recursion->overlap || (total + own > recursion->size && total > 0))
                total -= parts->items[first++].token_count;
        }
        total += own;
    }
    if (first < parts->count)
        push_joined(recursion, &parts->items[first], &parts->items[parts->count - 1]);
}

/* Parts of [start, end), each beginning with the separator but for the first. */
static void part_at(struct recursion *recursion, size_t start, size_t end, struct text separator,
                    struct splits *parts)
{
    for (size_t from = start, skip = 0; from < end; skip = separator.bytes) {
        size_t to = end, at;
        if (separator.bytes == 0)
            to = char_start(recursion->text, from + 1);
        else if (text_find(text_slice(recursion->text, from + skip, end), separator, &at))
            to = from + skip + at;
        struct split part = {from, to, 0};
        if (to > from)
            push(parts, from, to, (uint32_t)tokens_count(part_of(recursion, &part)));
        from = to;
    }
}

static void split_at(struct recursion *recursion, size_t start, size_t end, size_t level)
{
    size_t ignored;
    struct text text = text_slice(recursion->text, start, end);
    while (SEPARATORS[level].bytes && !text_find(text, SEPARATORS[level], &ignored))
        level++;
    bool is_last = SEPARATORS[level].bytes == 0;
    struct splits parts = {0}, good = {0};
    part_at(recursion, start, end, SEPARATORS[level], &parts);
    for (size_t i = 0; i < parts.count; i++) {
        struct split part = parts.items[i];
        if (part.token_count < recursion->size) {
            push(&good, part.start, part.end, part.token_count);
            continue;
        }
        merge(recursion, &good);
        good.count = 0;
        if (is_last)
            push(recursion->out, part.start, part.end, part.token_count);
        else
            split_at(recursion, part.start, part.end, level + 1);
    }
    merge(recursion, &good);
    splits_release(&parts);
    splits_release(&good);
}

void split_recursive(struct text text, uint32_t tokens, uint32_t overlap, struct splits *out)
{
    struct recursion recursion = {text, tokens, overlap, out};
    split_at(&recursion, 0, text.bytes, 0);
}

/* ---- ours ------------------------------------------------------------------------------------ */

struct ours {
    struct chunker *chunker;
    struct text text;
    size_t byte, chars; /* text accounted for */
    struct splits *out;
};

/* The byte at which a code point begins; asked for in order, nearly. */
static size_t byte_of(struct ours *ours, uint64_t chars)
{
    if (chars < ours->chars)
        ours->byte = ours->chars = 0;
    for (; ours->chars < chars; ours->chars++)
        ours->byte = char_start(ours->text, ours->byte + 1);
    return ours->byte;
}

static void draw(struct ours *ours)
{
    struct arena arena = arena_new((size_t)1 << 20);
    struct chunk chunk;
    struct error err;
    while (chunker_next(ours->chunker, &arena, &chunk, &err)) {
        size_t start = byte_of(ours, chunk.char_start);
        push(ours->out, start, start + chunk.content.bytes,
             chunk.token_count - (uint32_t)tokens_count(chunk.prefix));
        arena_release(&arena);
    }
    assert(err.message[0] == '\0');
    arena_release(&arena);
}

void split_ours(struct text text, struct chunker_options options, struct splits *out)
{
    struct ours ours = {.chunker = chunker_new(options, TEXT_NONE), .text = text, .out = out};
    struct page page = {.number = 1, .text = text};
    struct error err;
    size_t at = 0;
    do {
        bool is_added = chunker_add_part(ours.chunker, &page, &at, &err);
        assert(is_added);
        draw(&ours);
        size_t bytes = chunker_memory_bytes(ours.chunker);
        out->chunker_bytes = bytes > out->chunker_bytes ? bytes : out->chunker_bytes;
    } while (at < text.bytes);
    bool is_ended = chunker_add(ours.chunker, NULL, &err);
    assert(is_ended);
    draw(&ours);
    chunker_free(ours.chunker);
}
