/*
 * make_tables: PAIRS CLASSES OUT. Runs while Millrace is built and writes struct tokens_tables from
 * the two files of this folder (vocabulary.py and unicode_classes.mjs say what they hold).
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chunker/tokens_tables.h"

enum { BYTE_TOKENS = 256, FILE_BYTES_MAX = 1024 * 1024 };

static struct tokens_tables tables;
static char contents[2][FILE_BYTES_MAX + 1];

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "make_tables: %s: %s\n", what, name);
    exit(1);
}

static struct text read_file(const char *path, char data[FILE_BYTES_MAX + 1])
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail("cannot open", path);
    size_t bytes = fread(data, 1, FILE_BYTES_MAX, file);
    if (ferror(file) || bytes == FILE_BYTES_MAX)
        fail("cannot read", path);
    fclose(file);
    data[bytes] = '\0';
    return (struct text){data, bytes};
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void append_token(uint32_t id, struct text left, struct text right)
{
    uint32_t start = tables.starts[id], bytes = (uint32_t)(left.bytes + right.bytes);
    if (start + bytes > TOKENS_BYTES_TOTAL || bytes > TOKENS_BYTES_MAX)
        fail("too many bytes", "tokens");
    memcpy(tables.bytes + start, left.start, left.bytes);
    if (right.bytes)
        memcpy(tables.bytes + start + left.bytes, right.start, right.bytes);
    tables.starts[id + 1] = start + bytes;
}

static struct text token(uint32_t id)
{
    return (struct text){(const char *)tables.bytes + tables.starts[id],
                         tables.starts[id + 1] - tables.starts[id]};
}

static uint32_t with_length(uint32_t id)
{
    return tokens_with_length(id, tables.starts[id + 1] - tables.starts[id]);
}

static void add_byte_pair(struct text pair, uint32_t id)
{
    tables.byte_merges[(uint8_t)pair.start[0]][(uint8_t)pair.start[1]] = id;
}

static void add_pair(struct tokens_parts parts, uint32_t id)
{
    uint64_t pair = tokens_pair(parts.left, parts.right);
    uint64_t hash = tokens_hash(pair);
    uint32_t slot = tokens_slot(hash, TOKENS_PAIR_BITS);
    while (tables.pairs[slot] != TOKENS_PAIR_EMPTY)
        slot = (slot + 1) % COUNT_OF(tables.pairs);
    tables.pairs[slot] = pair << TOKENS_ID_BITS | id;
    tables.pair_bits[tokens_slot(hash, TOKENS_FILTER_BITS)] |= tokens_filter_mask(hash);
}

/* Ranks come in rising order: the first is the lowest. */
static void note_junction(struct text left, struct text right, uint32_t id)
{
    uint8_t before = (uint8_t)left.start[left.bytes - 1], behind = (uint8_t)right.start[0];
    if (tables.junctions[before][behind] == TOKENS_NO_JUNCTION)
        tables.junctions[before][behind] = (uint16_t)(id / 2);
}

static uint32_t read_bits(struct text packed, size_t bit)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < TOKENS_ID_BITS; i++, bit++) {
        if (bit / 8 >= packed.bytes)
            fail("too short", "pairs");
        value |= ((uint32_t)packed.start[bit / 8] >> bit % 8 & 1u) << i;
    }
    return value;
}

static void make_tokens(struct text pairs)
{
    if (pairs.bytes < BYTE_TOKENS)
        fail("too short", "pairs");
    memset(tables.pairs, 0xFF, sizeof(tables.pairs));
    memset(tables.byte_merges, 0xFF, sizeof(tables.byte_merges));
    memset(tables.junctions, 0xFF, sizeof(tables.junctions));
    for (uint32_t id = 0; id < BYTE_TOKENS; id++) {
        append_token(id, (struct text){pairs.start + id, 1}, TEXT_NONE);
        tables.parts[id] = (struct tokens_parts){id, id};
        tables.byte_ids[(uint8_t)pairs.start[id]] = (uint8_t)id;
    }
    struct text packed = text_slice(pairs, BYTE_TOKENS, pairs.bytes);
    for (uint32_t id = BYTE_TOKENS; id < TOKENS_VOCABULARY; id++) {
        size_t bit = (size_t)(id - BYTE_TOKENS) * 2 * TOKENS_ID_BITS;
        struct tokens_parts parts = {read_bits(packed, bit),
                                     read_bits(packed, bit + TOKENS_ID_BITS)};
        if (parts.left >= id || parts.right >= id)
            fail("a pair of later tokens", "pairs");
        append_token(id, token(parts.left), token(parts.right));
        tables.parts[id] = parts;
        add_pair(parts, id);
        if (token(id).bytes == 2)
            add_byte_pair(token(id), id);
        note_junction(token(parts.left), token(parts.right), id);
    }
    if (tables.starts[TOKENS_VOCABULARY] != TOKENS_BYTES_TOTAL)
        fail("too few bytes", "tokens");
}

/* ---- whole pieces ---------------------------------------------------------------------------- */

static void add_key(struct text text, uint32_t id)
{
    struct tokens_key key = tokens_key_of(text);
    uint32_t slot = tokens_slot(tokens_key_hash(key), TOKENS_KEY_BITS);
    while (tables.keys[slot].high)
        slot = (slot + 1) % COUNT_OF(tables.keys);
    tables.keys[slot] = key;
    tables.ids[slot] = id;
}

static void make_keys(void)
{
    for (uint32_t id = 0; id < TOKENS_VOCABULARY; id++) {
        if (token(id).bytes <= TOKENS_KEY_BYTES)
            add_key(token(id), id);
    }
}

/* ---- the trie -------------------------------------------------------------------------------- */

struct range {
    uint32_t from, to; /* of sorted: what begins with the bytes that the node stands for */
    uint32_t depth;    /* the number of those bytes */
};

static uint32_t sorted[TOKENS_VOCABULARY];
static struct range ranges[TOKENS_NODES];
static bool is_base[TOKENS_NODES];
static uint32_t first_free = 1; /* no free node before it */

static int compare_tokens(const void *a, const void *b)
{
    return text_compare(token(*(const uint32_t *)a), token(*(const uint32_t *)b));
}

static bool is_free(uint32_t node)
{
    return (tables.nodes[node].links & TOKENS_LABEL_MASK) == TOKENS_NO_LABEL;
}

static bool fits(uint32_t base, const uint8_t *labels, size_t label_count)
{
    if (is_base[base])
        return false;
    for (size_t i = 0; i < label_count; i++)
        if (!is_free(base ^ labels[i]))
            return false;
    return true;
}

static uint32_t find_base(const uint8_t *labels, size_t label_count)
{
    while (first_free < TOKENS_NODES && !is_free(first_free))
        first_free++;
    for (uint32_t node = first_free; node < TOKENS_NODES; node++)
        if (is_free(node) && fits(node ^ labels[0], labels, label_count))
            return node ^ labels[0];
    fail("too small", "TOKENS_NODES");
    return 0;
}

/* Places all children of a node. */
static void expand(uint32_t node)
{
    struct range range = ranges[node];
    uint8_t labels[BYTE_TOKENS] = {0};
    uint32_t ends[BYTE_TOKENS];
    size_t label_count = 0;
    range.from += token(sorted[range.from]).bytes == range.depth;
    for (uint32_t i = range.from; i < range.to; i++) {
        uint8_t label = (uint8_t)token(sorted[i]).start[range.depth];
        if (label_count == 0 || labels[label_count - 1] != label)
            labels[label_count++] = label;
        ends[label_count - 1] = i + 1;
    }
    uint32_t base = find_base(labels, label_count);
    is_base[base] = true;
    tables.nodes[node].links |= base << TOKENS_BASE_SHIFT;
    for (size_t i = 0; i < label_count; i++) {
        tables.nodes[base ^ labels[i]].links = labels[i];
        ranges[base ^ labels[i]] = (struct range){range.from, ends[i], range.depth + 1};
        range.from = ends[i];
    }
}

/* Low ranks, which are frequent, come first, so that their nodes are near to each other. */
static void add_token(uint32_t id)
{
    struct text text = token(id);
    uint32_t node = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        if (tables.nodes[node].links >> TOKENS_BASE_SHIFT == 0)
            expand(node);
        node = (tables.nodes[node].links >> TOKENS_BASE_SHIFT) ^ (uint8_t)text.start[i];
    }
    tables.nodes[node].token = with_length(id);
}

/* Tokens in order: what a token begins with stands before it. */
static void make_shorter(void)
{
    uint32_t open[TOKENS_BYTES_MAX]; /* each a beginning of the next */
    size_t open_count = 0;
    for (uint32_t i = 0; i < TOKENS_VOCABULARY; i++) {
        struct text text = token(sorted[i]);
        while (open_count && !text_starts_with(text, token(open[open_count - 1])))
            open_count--;
        tables.shorter[sorted[i]] = open_count ? with_length(open[open_count - 1]) : TOKENS_NONE;
        open[open_count++] = sorted[i];
    }
}

static void make_trie(void)
{
    for (uint32_t id = 0; id < TOKENS_VOCABULARY; id++)
        sorted[id] = id;
    qsort(sorted, COUNT_OF(sorted), sizeof(sorted[0]), compare_tokens);
    for (uint32_t node = 0; node < TOKENS_NODES; node++)
        tables.nodes[node] = (struct tokens_node){TOKENS_NO_LABEL, TOKENS_NONE};
    tables.nodes[0].links = TOKENS_NO_LABEL - 1; /* taken, and no byte's */
    is_base[0] = true;                           /* a node without children has it */
    ranges[0].to = TOKENS_VOCABULARY;
    for (uint32_t id = 0; id < TOKENS_VOCABULARY; id++)
        add_token(id);
    make_shorter();
}

/* ---- classes --------------------------------------------------------------------------------- */

static uint8_t classes[TOKENS_CODE_POINTS];

static uint8_t class_named(char letter)
{
    static const char LETTERS[] = "LNS";
    static const uint8_t CLASSES[] = {CLASS_LETTER, CLASS_NUMBER, CLASS_SPACE};
    const char *found = letter ? strchr(LETTERS, letter) : NULL;
    if (!found)
        fail("an unknown class", "classes");
    return CLASSES[found - LETTERS];
}

static void read_range(const char *line)
{
    char *rest = NULL;
    unsigned long first = strtoul(line, &rest, 16), last = strtoul(rest, &rest, 16);
    if (first > last || last >= TOKENS_CODE_POINTS || *rest != ' ')
        fail("a malformed line", line);
    memset(classes + first, class_named(rest[1]), last - first + 1);
}

static void fold_rows(void)
{
    size_t row_bytes = 1u << TOKENS_ROW_BITS, row_count = 0;
    for (size_t i = 0; i < COUNT_OF(tables.class_rows); i++) {
        const uint8_t *row = classes + i * row_bytes;
        size_t same = 0;
        while (same < row_count && memcmp(tables.classes + same * row_bytes, row, row_bytes) != 0)
            same++;
        if (same == TOKENS_ROWS)
            fail("too small", "TOKENS_ROWS");
        if (same == row_count)
            memcpy(tables.classes + row_count++ * row_bytes, row, row_bytes);
        tables.class_rows[i] = (uint16_t)same;
    }
}

static void make_classes(struct text lines)
{
    while (lines.bytes) {
        struct text line = text_cut(lines, '\n', &lines);
        if (line.bytes && line.start[0] != '#')
            read_range(line.start);
    }
    classes['\r'] = classes['\n'] = CLASS_NEWLINE;
    fold_rows();
}

int main(int argc, char **argv)
{
    if (argc != 4)
        fail("usage", "make_tables PAIRS CLASSES OUT");
    make_tokens(read_file(argv[1], contents[0]));
    make_keys();
    make_trie();
    make_classes(read_file(argv[2], contents[1]));
    FILE *file = fopen(argv[3], "wb");
    if (!file || fwrite(&tables, sizeof(tables), 1, file) != 1 || fclose(file) != 0)
        fail("cannot write", argv[3]);
    return 0;
}
