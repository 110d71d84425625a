#include "extract/vocabulary.h"

#include "worker/base/memory.h"

#define HASH_START 0xcbf29ce484222325u /* FNV-1a */
#define HASH_FACTOR 0x100000001b3u
#define WORD_BYTES_MAX 128
#define HALF_BYTES_MIN 4 /* shorter words are syllables too often */

/* ---- words ----------------------------------------------------------------------------------- */

/* Bytes above 0x7f are parts of letters, or of marks that do not matter here. */
static bool is_letter(char c)
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (uint8_t)c >= 0x80;
}

static bool is_word(char c)
{
    return is_letter(c) || c == '-' || c == '\'';
}

bool vocabulary_is_broken(struct text line)
{
    return line.bytes >= 2 && line.start[line.bytes - 1] == '-' &&
           is_letter(line.start[line.bytes - 2]);
}

struct text vocabulary_last_word(struct text line)
{
    size_t from = line.bytes;
    while (from > 0 && line.bytes - from < WORD_BYTES_MAX && is_word(line.start[from - 1]))
        from--;
    return text_slice(line, from, line.bytes);
}

struct text vocabulary_first_word(struct text line)
{
    size_t to = 0;
    while (to < line.bytes && is_word(line.start[to]))
        to++;
    return text_slice(line, 0, to);
}

static uint64_t hash_on(uint64_t hash, struct text word)
{
    for (size_t i = 0; i < word.bytes; i++) {
        char c = word.start[i];
        hash = (hash ^ (uint8_t)(c >= 'A' && c <= 'Z' ? c | 0x20 : c)) * HASH_FACTOR;
    }
    return hash;
}

/* ---- the table ------------------------------------------------------------------------------- */

static size_t place_of(const struct vocabulary *vocabulary, uint64_t hash)
{
    size_t at = (size_t)(hash ^ hash >> 29) & (vocabulary->allocated - 1);
    while (vocabulary->hashes[at] && vocabulary->hashes[at] != hash)
        at = (at + 1) & (vocabulary->allocated - 1);
    return at;
}

static void grow(struct vocabulary *vocabulary)
{
    struct vocabulary larger = {.allocated =
                                    vocabulary->allocated ? 2 * vocabulary->allocated : 4096,
                                .count = vocabulary->count};
    larger.hashes = xcalloc(larger.allocated, sizeof(*larger.hashes));
    for (size_t i = 0; i < vocabulary->allocated; i++)
        if (vocabulary->hashes[i])
            larger.hashes[place_of(&larger, vocabulary->hashes[i])] = vocabulary->hashes[i];
    xfree(vocabulary->hashes);
    *vocabulary = larger;
}

static void learn(struct vocabulary *vocabulary, struct text word)
{
    uint64_t hash = hash_on(HASH_START, word);
    if (word.bytes == 0 || hash == 0 || vocabulary->count == VOCABULARY_WORDS_MAX)
        return;
    if (vocabulary->count * 2 >= vocabulary->allocated)
        grow(vocabulary);
    size_t at = place_of(vocabulary, hash);
    vocabulary->count += vocabulary->hashes[at] == 0;
    vocabulary->hashes[at] = hash;
}

static bool knows(const struct vocabulary *vocabulary, uint64_t hash)
{
    return vocabulary->allocated && hash && vocabulary->hashes[place_of(vocabulary, hash)] == hash;
}

/* ---- public ---------------------------------------------------------------------------------- */

void vocabulary_add(struct vocabulary *vocabulary, struct text line, bool is_broken_before)
{
    bool is_broken = vocabulary_is_broken(line);
    size_t at = is_broken_before ? vocabulary_first_word(line).bytes : 0;
    while (at < line.bytes) {
        struct text word = vocabulary_first_word(text_slice(line, at, line.bytes));
        at += word.bytes;
        if (word.bytes && !(is_broken && at == line.bytes))
            learn(vocabulary, word);
        at += word.bytes == 0;
    }
}

bool vocabulary_keeps_hyphen(const struct vocabulary *vocabulary, struct text left,
                             struct text right)
{
    struct text stem = text_slice(left, 0, left.bytes - 1), rest;
    struct text part = text_cut(right, '-', &rest); /* of "encoder-based" */
    uint64_t hash = hash_on(HASH_START, left);
    size_t at;
    if (text_find(stem, TEXT("-"), &at)) /* state-of-the- */
        return true;
    if (knows(vocabulary, hash_on(hash, right)) || knows(vocabulary, hash_on(hash, part)))
        return true;
    if (knows(vocabulary, hash_on(hash_on(HASH_START, stem), part)))
        return false;
    return stem.bytes >= HALF_BYTES_MIN && part.bytes >= HALF_BYTES_MIN &&
           knows(vocabulary, hash_on(HASH_START, stem)) &&
           knows(vocabulary, hash_on(HASH_START, part));
}

void vocabulary_release(struct vocabulary *vocabulary)
{
    xfree(vocabulary->hashes);
    *vocabulary = (struct vocabulary){0};
}
