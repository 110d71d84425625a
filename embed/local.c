#include "embed/local.h"

#include <math.h>
#include <string.h>

#include "embed/embed.h"
#include "worker/base/memory.h"

#define WORD_BYTES_MAX 64 /* longer ones are taken by their start */
#define WORDS_MAX 1536    /* distinct ones held at once; beyond it they are counted in portions */
#define TABLE_SLOTS 4096  /* a power of two, sparsely filled */
#define REPEATS_MAX 16    /* counted no further */
#define COMMON_SLOTS 1024 /* a power of two, sparsely filled */
#define TEXT_BYTES_MAX ((size_t)1024 * 1024) /* a longer text is taken by its start */

/* Weights in one common unit; what they mean is their ratio. */
#define WEIGHT_WORD 64
#define WEIGHT_SHORT_WORD 40 /* three letters or fewer */
#define WEIGHT_LONG_WORD 80  /* eight or more, or with a digit */
#define WEIGHT_COMMON_WORD 5
#define WEIGHT_CHARACTER 24
#define WEIGHT_PAIR 48
#define PART_SHIFT 2 /* a part of a word weighs a quarter of it */

struct word {
    uint64_t hash;
    uint32_t start; /* into letters */
    uint16_t bytes;
    uint8_t count;
    uint8_t weight; /* 0: not known yet */
};

struct local {
    uint32_t dimension_count;
    int32_t *sums; /* dimension_count; TEXT_BYTES_MAX of text cannot overflow one */
    uint32_t word_count, letter_bytes;
    uint32_t previous;   /* character of a script without spaces just before; 0: none */
    uint32_t word_bytes; /* of the word being read, at the end of letters */
    uint64_t word_hash;
    uint64_t common[COMMON_SLOTS];
    uint16_t slots[TABLE_SLOTS]; /* index of a word + 1; 0: free */
    struct word words[WORDS_MAX];
    char letters[WORDS_MAX * WORD_BYTES_MAX];
};

/* ---- characters ------------------------------------------------------------------------------ */

/* ASCII: what a byte becomes in a word; 0: it parts words. */
static const char FOLDED[128] = {
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',
    ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',
    ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',
    ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',
    ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',
    ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f',
    ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm',
    ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't',
    ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z',
};

/* Bytes of the code point at `at`, which goes to *ret; a broken sequence gives its first byte. */
static size_t decode(struct text text, size_t at, uint32_t *ret)
{
    const uint8_t *in = (const uint8_t *)text.start + at;
    size_t left = text.bytes - at;
    if (in[0] >= 0xc2 && in[0] < 0xe0 && left >= 2) {
        *ret = (in[0] & 0x1fu) << 6 | (in[1] & 0x3fu);
        return 2;
    }
    if (in[0] >= 0xe0 && in[0] < 0xf0 && left >= 3) {
        *ret = (in[0] & 0x0fu) << 12 | (in[1] & 0x3fu) << 6 | (in[2] & 0x3fu);
        return 3;
    }
    if (in[0] >= 0xf0 && in[0] < 0xf5 && left >= 4) {
        *ret =
            (in[0] & 0x07u) << 18 | (in[1] & 0x3fu) << 12 | (in[2] & 0x3fu) << 6 | (in[3] & 0x3fu);
        return 4;
    }
    *ret = in[0];
    return 1;
}

static size_t encode(uint32_t c, char out[4])
{
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Small letters of the alphabets of Europe, by their ranges; all else stays as it is. */
static uint32_t fold_wide(uint32_t c)
{
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
        (c >= 0x410 && c <= 0x42f))
        return c + 0x20;
    if (c >= 0x400 && c <= 0x40f)
        return c + 0x50;
    bool is_odd_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
    if (is_odd_upper)
        return c + (c & 1);
    bool is_even_upper = (c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177) ||
                         (c >= 0x460 && c <= 0x4bf) || (c >= 0x1e00 && c <= 0x1eff);
    return is_even_upper ? c | 1 : c;
}

static bool is_wide_separator(uint32_t c)
{
    return (c >= 0x80 && c <= 0xbf && c != 0xaa && c != 0xb5 && c != 0xba) || c == 0xd7 ||
           c == 0xf7 || (c >= 0x2000 && c <= 0x2bff) || (c >= 0x3000 && c <= 0x3004) ||
           (c >= 0x3008 && c <= 0x3020) || (c >= 0xff01 && c <= 0xff0f) || c == 0xfeff ||
           c == 0x1680 || c == 0x60c || c == 0x61b || c == 0x61f || c == 0x964 || c == 0x965;
}

/* Scripts written without spaces between words. */
static bool is_spaceless(uint32_t c)
{
    return (c >= 0x3040 && c <= 0x9fff) || (c >= 0xe00 && c <= 0xeff) ||
           (c >= 0x1000 && c <= 0x109f) || (c >= 0x1780 && c <= 0x17ff) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x20000 && c <= 0x3ffff);
}

/* ---- features -------------------------------------------------------------------------------- */

#define HASH_START 0xcbf29ce484222325u /* FNV-1a */

static uint64_t hash_byte(uint64_t hash, char byte)
{
    return (hash ^ (uint8_t)byte) * 0x100000001b3u;
}

static uint64_t hash_bytes(uint64_t hash, struct text text)
{
    for (size_t i = 0; i < text.bytes; i++)
        hash = hash_byte(hash, text.start[i]);
    return hash;
}

static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93u;
    hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93u;
    return hash ^ (hash >> 32);
}

/* The upper half picks the dimension, the lowest bit the sign. */
static void add_feature(struct local *local, uint64_t hash, int32_t weight)
{
    uint32_t at = (uint32_t)((hash >> 32) * local->dimension_count >> 32);
    local->sums[at] += hash & 1 ? weight : -weight;
}

/* What occurs in nearly every text of the languages of Europe and so tells texts apart badly. */
static const char COMMON_WORDS[] =
    " a all also an and any are as at be been but by can could did do does for from had has have "
    "he "
    "her his how i if in into is it its more most no not of on one or our she should so some such "
    "than that the their them then there these they this to was we were what when where which who "
    "why will with would you your about please tell "
    "aber als am auch auf aus bei bin bis da das dem den der des die du ein eine einem einen einer "
    "er es für hat ich im ist kann man mit nach nicht noch nur oder sein sich sie sind so um und "
    "uns vom von vor war was wenn wer wie wir wird wo zu zum zur über welche welcher "
    "au aux ce ces dans de du elle en est et il je la le les leur ne nous ou par pas pour qu que "
    "qui sa se ses son sur une un vous "
    "al con como del el la las lo los más para pero por que se sin su una y ya "
    "che da dei della di gli il nel non per più si sono "
    "ao com da do dos em na os um uma het een van voor niet dat zijn ik te ";

static bool is_common(const struct local *local, uint64_t hash)
{
    for (uint64_t at = mix(hash);; at++) {
        uint64_t found = local->common[at % COMMON_SLOTS];
        if (found == hash || found == 0)
            return found != 0;
    }
}

static void learn_common_words(struct local *local)
{
    struct text rest = text_from(COMMON_WORDS);
    while (rest.bytes) {
        struct text word = text_cut(rest, ' ', &rest);
        uint64_t hash = hash_bytes(HASH_START, word);
        uint64_t at = mix(hash);
        while (local->common[at % COMMON_SLOTS] && local->common[at % COMMON_SLOTS] != hash)
            at++;
        if (word.bytes)
            local->common[at % COMMON_SLOTS] = hash;
    }
}

static bool has_digit(struct text word)
{
    for (size_t i = 0; i < word.bytes; i++)
        if (word.start[i] >= '0' && word.start[i] <= '9')
            return true;
    return false;
}

static int32_t word_weight(const struct local *local, const struct word *word)
{
    if (word->weight)
        return word->weight;
    if (is_common(local, word->hash))
        return WEIGHT_COMMON_WORD;
    struct text text = {local->letters + word->start, word->bytes};
    if (text.bytes >= 8 || has_digit(text))
        return WEIGHT_LONG_WORD;
    return text.bytes <= 3 ? WEIGHT_SHORT_WORD : WEIGHT_WORD;
}

static bool is_character_start(char byte)
{
    return ((uint8_t)byte & 0xc0) != 0x80;
}

/* Three characters each, the word's ends counted as one. */
static void add_parts(struct local *local, struct text word, int32_t weight)
{
    const uint64_t edge = 0x5e, part = HASH_START ^ 0x7061727473u; /* unlike any word's hash */
    uint64_t a = 0, b = edge;                                      /* the two characters before */
    for (size_t at = 0; at < word.bytes;) {
        uint64_t c = 0;
        do
            c = c << 8 | (uint8_t)word.start[at++];
        while (at < word.bytes && !is_character_start(word.start[at]));
        if (a)
            add_feature(local, mix(part ^ mix(a << 32 | b) ^ c), weight);
        a = b;
        b = c;
    }
    add_feature(local, mix(part ^ mix(a << 32 | b) ^ edge), weight);
}

/* Adds the words held to the sums and forgets them. */
static void flush_words(struct local *local)
{
    /* 8 (1 + ln n): a word that comes twice does not say twice as much */
    static const uint8_t GROWTH[REPEATS_MAX + 1] = {0,  8,  14, 17, 19, 21, 22, 24, 25,
                                                    26, 26, 27, 28, 29, 29, 30, 30};
    for (uint32_t i = 0; i < local->word_count; i++) {
        const struct word *word = &local->words[i];
        int32_t weight = word_weight(local, word) * GROWTH[word->count];
        uint64_t hash = mix(word->hash);
        add_feature(local, hash, weight);
        add_feature(local, mix(hash + 1), weight);
        bool has_parts = word->weight == 0 && word->bytes > 3 && !is_common(local, word->hash);
        if (has_parts)
            add_parts(local, (struct text){local->letters + word->start, word->bytes},
                      weight >> PART_SHIFT);
    }
    memset(local->slots, 0, sizeof(local->slots));
    local->word_count = local->letter_bytes = 0;
}

/* Counts a word; its letters lie at the end of local->letters. weight 0: by its letters. */
static void count_word(struct local *local, uint64_t hash, size_t bytes, uint8_t weight)
{
    uint64_t at = mix(hash);
    for (; local->slots[at % TABLE_SLOTS]; at++) {
        struct word *word = &local->words[local->slots[at % TABLE_SLOTS] - 1];
        if (word->hash != hash)
            continue;
        if (word->count < REPEATS_MAX)
            word->count++;
        return;
    }
    local->words[local->word_count++] = (struct word){.hash = hash,
                                                      .start = local->letter_bytes,
                                                      .bytes = (uint16_t)bytes,
                                                      .count = 1,
                                                      .weight = weight};
    local->slots[at % TABLE_SLOTS] = (uint16_t)local->word_count;
    local->letter_bytes += (uint32_t)bytes;
    if (local->word_count == WORDS_MAX)
        flush_words(local);
}

static void end_word(struct local *local)
{
    if (local->word_bytes)
        count_word(local, local->word_hash, local->word_bytes, 0);
    local->word_bytes = 0;
    local->word_hash = HASH_START;
}

static void add_letter(struct local *local, const char *letter, size_t bytes)
{
    char *word = local->letters + local->letter_bytes;
    if (local->word_bytes + bytes > WORD_BYTES_MAX)
        return;
    for (size_t i = 0; i < bytes; i++) {
        word[local->word_bytes++] = letter[i];
        local->word_hash = hash_byte(local->word_hash, letter[i]);
    }
}

/* A character of a script without spaces: itself, and the pair with the one before. */
static void count_character(struct local *local, uint32_t c)
{
    end_word(local);
    count_word(local, mix(c), 0, WEIGHT_CHARACTER);
    if (local->previous)
        count_word(local, mix((uint64_t)local->previous << 32 | c), 0, WEIGHT_PAIR);
    local->previous = c;
}

static void take_wide(struct local *local, uint32_t c)
{
    char letter[4];
    if (is_spaceless(c)) {
        count_character(local, c);
        return;
    }
    local->previous = 0;
    if (is_wide_separator(c))
        end_word(local);
    else
        add_letter(local, letter, encode(fold_wide(c), letter));
}

static void count_words(struct local *local, struct text text)
{
    local->previous = 0;
    for (size_t at = 0; at < text.bytes;) {
        uint8_t byte = (uint8_t)text.start[at];
        if (byte >= 0x80) {
            uint32_t c;
            at += decode(text, at, &c);
            take_wide(local, c);
            continue;
        }
        at++;
        local->previous = 0;
        if (FOLDED[byte])
            add_letter(local, &FOLDED[byte], 1);
        else if (local->word_bytes)
            end_word(local);
    }
    end_word(local);
}

/* ---- public ---------------------------------------------------------------------------------- */

struct local *local_new(uint32_t dimension_count)
{
    struct local *local = xcalloc(1, sizeof(*local));
    local->dimension_count = dimension_count;
    local->sums = xcalloc(dimension_count, sizeof(*local->sums));
    local->word_hash = HASH_START;
    learn_common_words(local);
    return local;
}

void local_free(struct local *local)
{
    if (!local)
        return;
    xfree(local->sums);
    xfree(local);
}

void local_embed(struct local *local, struct text first, struct text second, float *ret_vector)
{
    first = text_slice(first, 0, TEXT_BYTES_MAX);
    second = text_slice(second, 0, TEXT_BYTES_MAX - first.bytes);
    memset(local->sums, 0, local->dimension_count * sizeof(*local->sums));
    count_words(local, first);
    count_words(local, second);
    flush_words(local);

    double sum = 0;
    for (uint32_t i = 0; i < local->dimension_count; i++)
        sum += (double)local->sums[i] * local->sums[i];
    if (sum == 0) { /* no word at all, or all cancelled out: a vector of its own all the same */
        uint64_t hash = mix(hash_bytes(hash_bytes(HASH_START, first), second));
        add_feature(local, hash, 1);
        sum = 1;
    }
    double scale = 1 / sqrt(sum);
    for (uint32_t i = 0; i < local->dimension_count; i++)
        ret_vector[i] = (float)(local->sums[i] * scale);
}

void embed_local_vector(struct text text, float *ret_vector, uint32_t dimension_count)
{
    struct local *local = local_new(dimension_count);
    local_embed(local, text, TEXT_NONE, ret_vector);
    local_free(local);
}
