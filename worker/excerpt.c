#include "worker/excerpt.h"

#include <string.h>

#define WORD_CHARACTERS_MIN 4   /* shorter ones are everywhere, but for names: PDF, X3 */
#define STEM_CHARACTERS_MIN 4   /* what two forms of a word must share at least */
#define ENDING_CHARACTERS_MAX 2 /* of the question's word */

enum kind { KIND_SPACE, KIND_MARK, KIND_LETTER, KIND_IDEOGRAPH };

static uint32_t code_point(struct text sequence)
{
    const uint8_t *byte = (const uint8_t *)sequence.start;
    switch (sequence.bytes) {
    case 1:
        return byte[0];
    case 2:
        return (byte[0] & 0x1fu) << 6 | (byte[1] & 0x3fu);
    case 3:
        return (byte[0] & 0x0fu) << 12 | (byte[1] & 0x3fu) << 6 | (byte[2] & 0x3fu);
    default:
        return (byte[0] & 0x07u) << 18 | (byte[1] & 0x3fu) << 12 | (byte[2] & 0x3fu) << 6 |
               (byte[3] & 0x3fu);
    }
}

static bool is_within(uint32_t code, uint32_t first, uint32_t last)
{
    return code >= first && code <= last;
}

static enum kind kind_of(uint32_t code)
{
    if (code == ' ' || code == 0xa0 || code == 0x3000 || is_within(code, '\t', '\r'))
        return KIND_SPACE;
    if (code < 0x80)
        return is_within(code, '0', '9') || is_within(code | 0x20, 'a', 'z') ? KIND_LETTER
                                                                             : KIND_MARK;
    /* kana, Han, and what lies beyond the basic plane's Han; Hangul is written with spaces */
    if (is_within(code, 0x3040, 0x30ff) || is_within(code, 0x3400, 0x9fff) ||
        is_within(code, 0xf900, 0xfaff) || is_within(code, 0x20000, 0x3ffff))
        return KIND_IDEOGRAPH;
    /* Latin-1's signs, general punctuation to dingbats, ideographic and full-width punctuation */
    if (is_within(code, 0x80, 0xbf) || code == 0xd7 || code == 0xf7 ||
        is_within(code, 0x2000, 0x2bff) || is_within(code, 0x3001, 0x303f) ||
        is_within(code, 0xff01, 0xff0f) || is_within(code, 0xff1a, 0xff20) ||
        is_within(code, 0x1f000, 0x1faff))
        return KIND_MARK;
    return KIND_LETTER;
}

static size_t columns_of(uint32_t code)
{
    bool is_wide = is_within(code, 0x1100, 0x115f) || is_within(code, 0x2e80, 0xa4cf) ||
                   is_within(code, 0xac00, 0xd7a3) || is_within(code, 0xf900, 0xfaff) ||
                   is_within(code, 0xfe30, 0xfe6f) || is_within(code, 0xff00, 0xff60) ||
                   is_within(code, 0xffe0, 0xffe6) || is_within(code, 0x1f000, 0x1faff) ||
                   is_within(code, 0x20000, 0x3ffff);
    bool is_nothing = is_within(code, 0x300, 0x36f) || is_within(code, 0x200b, 0x200f) ||
                      is_within(code, 0xfe00, 0xfe0f) || code == 0xad;
    return is_nothing ? 0 : is_wide ? 2 : 1;
}

/* The character at *at, which moves behind it; text is valid UTF-8, else a byte is a character. */
static struct text character_at(struct text text, size_t *at)
{
    struct text rest = text_slice(text, *at, text.bytes);
    size_t bytes = text_utf8_sequence(rest);
    struct text character = text_slice(rest, 0, bytes ? bytes : 1);
    *at += character.bytes;
    return character;
}

/* Case folding as far as one table row goes: ASCII, Latin-1, Greek, Cyrillic. */
static uint32_t fold(uint32_t code)
{
    if (is_within(code, 'A', 'Z') || (is_within(code, 0xc0, 0xde) && code != 0xd7) ||
        is_within(code, 0x391, 0x3a9) || is_within(code, 0x410, 0x42f))
        return code + 0x20;
    if (is_within(code, 0x400, 0x40f))
        return code + 0x50;
    return code;
}

static size_t shared_characters(struct text a, struct text b)
{
    size_t at_a = 0, at_b = 0, count = 0;
    while (at_a < a.bytes && at_b < b.bytes) {
        if (fold(code_point(character_at(a, &at_a))) != fold(code_point(character_at(b, &at_b))))
            break;
        count++;
    }
    return count;
}

static bool is_same_word(struct text a, struct text b)
{
    size_t a_count = text_utf8_count(a), b_count = text_utf8_count(b);
    size_t shared = shared_characters(a, b);
    if (shared == a_count && shared == b_count)
        return true;
    /* the one that was asked for may lose its ending, the one that is found may have another */
    return shared >= STEM_CHARACTERS_MIN && shared + ENDING_CHARACTERS_MAX >= a_count &&
           shared + (shared + 1) / 2 >= b_count;
}

bool excerpt_is_wanted(const struct excerpt_words *words, struct text word)
{
    for (size_t i = 0; i < words->count; i++)
        if (is_same_word(words->words[i], word))
            return true;
    return false;
}

static bool is_telling(const struct excerpt_piece *piece)
{
    size_t characters = text_utf8_count(piece->text);
    bool is_name = characters > 1;
    for (size_t i = 0; i < piece->text.bytes; i++)
        is_name = is_name && !is_within((uint8_t)piece->text.start[i], 'a', 'z');
    return characters >= WORD_CHARACTERS_MIN || piece->columns > characters || is_name;
}

static void add_words(struct excerpt_words *words, struct text question, bool takes_all)
{
    struct excerpt_piece piece;
    for (size_t at = 0; excerpt_next(question, &at, &piece);) {
        if (piece.is_word && (takes_all || is_telling(&piece)) &&
            words->count < EXCERPT_WORDS_MAX && !excerpt_is_wanted(words, piece.text))
            words->words[words->count++] = piece.text;
    }
}

struct excerpt_words excerpt_words_of(struct text question)
{
    struct excerpt_words words = {.count = 0};
    add_words(&words, question, false);
    if (words.count == 0)
        add_words(&words, question, true);
    return words;
}

void excerpt_flatten(struct buffer *out, struct text text)
{
    bool is_spaced = true; /* none at the start */
    for (size_t at = 0; at < text.bytes;) {
        struct text character = character_at(text, &at);
        uint32_t code = code_point(character);
        bool is_space = kind_of(code) == KIND_SPACE, is_page = code == '\f';
        bool is_control =
            !is_space && (code < 0x20 || is_within(code, 0x7f, 0x9f) ||
                          is_within(code, 0x202a, 0x202e) || is_within(code, 0x2066, 0x2069));
        if (is_page && is_spaced && out->bytes && out->data[out->bytes - 1] == ' ')
            out->bytes--;
        if (is_control || (is_space && is_spaced && !is_page))
            continue;
        buffer_append_text(out, is_page ? TEXT("\f") : is_space ? TEXT(" ") : character);
        is_spaced = is_space;
    }
    if (out->bytes && out->data[out->bytes - 1] == ' ')
        out->bytes--;
}

static bool is_gap(char c)
{
    return c == ' ' || c == '\f';
}

bool excerpt_next(struct text flat, size_t *at, struct excerpt_piece *ret_piece)
{
    if (*at >= flat.bytes)
        return false;
    size_t start = *at, next = start;
    uint32_t code = code_point(character_at(flat, &next));
    enum kind kind = kind_of(code);
    size_t columns = columns_of(code);
    while (kind == KIND_LETTER && next < flat.bytes) {
        size_t behind = next;
        code = code_point(character_at(flat, &behind));
        if (kind_of(code) != KIND_LETTER)
            break;
        columns += columns_of(code);
        next = behind;
    }
    *ret_piece = (struct excerpt_piece){
        .text = text_slice(flat, start, next),
        .columns = columns,
        .is_word = kind == KIND_LETTER || kind == KIND_IDEOGRAPH,
        .is_space = kind == KIND_SPACE,
        .may_break_before = kind == KIND_IDEOGRAPH || (start > 0 && is_gap(flat.start[start - 1])),
    };
    *at = next;
    return true;
}

size_t excerpt_unit_columns(struct text flat, size_t at)
{
    struct excerpt_piece piece;
    size_t columns = 0;
    while (excerpt_next(flat, &at, &piece)) {
        if (piece.is_space || (columns && piece.may_break_before))
            break;
        columns += piece.columns;
    }
    return columns;
}

/* ---- the best stretch ------------------------------------------------------------------------ */

/* From start on, as far as columns_max goes, cut between words. */
static struct text stretch(struct text flat, size_t start, size_t columns_max)
{
    struct excerpt_piece piece;
    size_t columns = 0, end = start, at = start;
    while (excerpt_next(flat, &at, &piece)) {
        if (piece.may_break_before || piece.is_space)
            end = at - piece.text.bytes;
        columns += piece.columns;
        if (columns > columns_max)
            return text_trim(text_slice(flat, start, end > start ? end : at - piece.text.bytes));
    }
    return text_slice(flat, start, flat.bytes);
}

/* Each word counts once, by its length; that it comes again counts a little. */
static size_t score(struct text part, const struct excerpt_words *words)
{
    struct excerpt_piece piece;
    uint32_t seen = 0;
    size_t sum = 0;
    for (size_t at = 0; excerpt_next(part, &at, &piece);) {
        for (size_t i = 0; piece.is_word && i < words->count; i++) {
            if (!is_same_word(words->words[i], piece.text))
                continue;
            sum += seen >> i & 1 ? 1 : 10 * piece.columns;
            seen |= 1u << i;
            break;
        }
    }
    return sum;
}

static bool begins_sentence(struct text flat, size_t at)
{
    return at == 0 ||
           (at >= 2 && is_gap(flat.start[at - 1]) && memchr(".!?:", flat.start[at - 2], 4) != NULL);
}

/* Where to begin so that hit is seen with what leads to it: a sentence's start if one is within
 * reach, else the first word that is. */
static size_t lead_in(struct text flat, size_t hit, size_t reach_bytes)
{
    struct excerpt_piece piece;
    size_t low = hit > reach_bytes ? hit - reach_bytes : 0, first = hit, sentence = SIZE_MAX;
    while (low > 0 && ((uint8_t)flat.start[low] & 0xc0) == 0x80)
        low--;
    for (size_t at = low; at < hit && excerpt_next(flat, &at, &piece);) {
        size_t start = at - piece.text.bytes;
        if (piece.is_space || start >= hit || !(piece.may_break_before || start == 0))
            continue;
        first = first == hit ? start : first;
        if (begins_sentence(flat, start))
            sentence = start; /* the nearest one wins */
    }
    if (begins_sentence(flat, hit))
        return hit;
    return sentence != SIZE_MAX ? sentence : first;
}

struct text excerpt_find(struct text flat, const struct excerpt_words *words, size_t columns_max)
{
    struct text best = stretch(flat, 0, columns_max);
    size_t best_score = score(best, words);
    best_score -=
        best_score > 0; /* with as many words a sentence's start is better than the text's */
    struct excerpt_piece piece;
    for (size_t at = best.bytes < flat.bytes ? 0 : flat.bytes; excerpt_next(flat, &at, &piece);) {
        if (!piece.is_word || !excerpt_is_wanted(words, piece.text))
            continue;
        size_t start = lead_in(flat, at - piece.text.bytes, columns_max / 2);
        struct text part = stretch(flat, start, columns_max);
        size_t part_score = score(part, words);
        if (part_score > best_score) {
            best = part;
            best_score = part_score;
        }
    }
    return best;
}

bool excerpt_page(struct text flat, struct text part, const struct excerpt_words *words,
                  uint32_t *ret_pages)
{
    struct excerpt_piece piece;
    size_t at = (size_t)(part.start - flat.start), end = at + part.bytes;
    while (at < end && excerpt_next(flat, &at, &piece)) {
        if (!piece.is_word || !excerpt_is_wanted(words, piece.text))
            continue;
        *ret_pages = 0;
        for (const char *byte = flat.start; byte < piece.text.start; byte++)
            *ret_pages += *byte == '\f';
        return true;
    }
    return false;
}
