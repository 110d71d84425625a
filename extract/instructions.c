#include "extract/instructions.h"

#include <string.h>

#include "extract/operators.h"
#include "extract/syntax.h"

#define SAVED_MAX 32 /* states within each other; the standard's limit is 28 */
#define OPERANDS_MAX 33

/* ---- characters ------------------------------------------------------------------------------ */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- state ----------------------------------------------------------------------------------- */

struct colour {
    struct text set;    /* by what was written; empty: not known */
    struct text wanted; /* to be written before something uses it; empty: the same */
};

struct colours {
    struct colour fill, stroke;
};

struct shortener {
    const char *at, *end; /* what is to be read */
    char *start, *to, *room_end;
    const char *group_at; /* where an operator's operands begin */
    uint32_t operand_count;
    bool has_name;   /* it is the last operand */
    bool has_digits; /* an operand is a string of digits, or has some */
    struct colours colours;
    struct {
        struct colours colours;
        char *to;
    } saved[SAVED_MAX];
    size_t saved_count;
    size_t used_count; /* as many of the saved states have something in them that counts */
    bool is_in_text, has_outlines;
};

/* ---- reading --------------------------------------------------------------------------------- */

static const char *skip_regular(const char *at, const char *end)
{
    while (at < end && syntax_character_of(*at) == SYNTAX_REGULAR)
        at++;
    return at;
}

/* NULL for a comment that ends with the instructions: others may follow, and be in it. */
static const char *skip_space(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at == '%') {
            while (at < end && *at != '\n' && *at != '\r')
                at++;
            if (at == end)
                return NULL;
        } else if (syntax_character_of(*at) != SYNTAX_SPACE) {
            break;
        }
    }
    return at;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

/* The functions that follow answer where an operand ends, NULL when it is none that we know. */

/* Nothing but plain numbers: what else poppler reads as one ends where we would not expect it. */
static const char *number_end(const char *at, const char *end)
{
    const char *digits = at + (*at == '-' || *at == '+');
    at = skip_digits(digits, end);
    ptrdiff_t digit_count = at - digits;
    if (at < end && *at == '.') {
        digits = at + 1;
        at = skip_digits(digits, end);
        digit_count += at - digits;
    }
    return digit_count && (at == end || syntax_character_of(*at) != SYNTAX_REGULAR) ? at : NULL;
}

static const char *string_end(const char *at, const char *end)
{
    size_t depth = 0;
    for (; at < end; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '(')
            depth++;
        else if (*at == ')' && --depth == 0)
            return at + 1;
    }
    return NULL;
}

/* 16: none. */
static unsigned digit_value(char c)
{
    if (is_digit(c))
        return (unsigned)(c - '0');
    char letter = (char)(c | 0x20);
    return letter >= 'a' && letter <= 'f' ? (unsigned)(letter - 'a') + 10 : 16;
}

/* Pairs of digits, and nothing else. */
static const char *digits_end(const char *at, const char *end)
{
    const char *start = ++at;
    while (at < end && digit_value(*at) < 16)
        at++;
    return at < end && *at == '>' && (at - start) % 2 == 0 ? at + 1 : NULL;
}

/* Of nothing but numbers and strings. */
static const char *array_end(struct shortener *shortener, const char *at)
{
    const char *end = shortener->end;
    at++;
    while ((at = skip_space(at, end)) != NULL && at < end) {
        if (*at == ']')
            return at + 1;
        if (*at == '(') {
            at = string_end(at, end);
        } else if (*at == '<') {
            at = digits_end(at, end);
            shortener->has_digits = true;
        } else {
            at = number_end(at, end);
        }
        if (!at)
            return NULL;
    }
    return NULL;
}

static const char *dictionary_end(const char *at, const char *end)
{
    size_t depth = 0;
    while (at && at < end && *at != '%') {
        bool is_double = end - at >= 2 && at[0] == at[1];
        if (*at == '(') {
            at = string_end(at, end);
        } else if (is_double && *at == '<') {
            depth++;
            at += 2;
        } else if (is_double && *at == '>') {
            at += 2;
            if (--depth == 0)
                return at;
        } else if (*at == '<') {
            at = digits_end(at, end);
        } else {
            at++;
        }
    }
    return NULL;
}

static const char *operand_end(struct shortener *shortener, const char *at)
{
    const char *end = shortener->end;
    shortener->has_name = *at == '/';
    switch (*at) {
    case '/':
        return skip_regular(at + 1, end);
    case '(':
        return string_end(at, end);
    case '[':
        return array_end(shortener, at);
    case '<':
        if (end - at >= 2 && at[1] == '<')
            return dictionary_end(at, end);
        shortener->has_digits = true;
        return digits_end(at, end);
    default:
        return number_end(at, end);
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Parts what is to be written from what stands there. False: there is no room for it. */
static bool begin_text(struct shortener *shortener, struct text text)
{
    const char *to = shortener->to;
    bool is_parted = to > shortener->start && syntax_character_of(to[-1]) == SYNTAX_REGULAR &&
                     syntax_character_of(*text.start) == SYNTAX_REGULAR;
    if ((size_t)(shortener->room_end - to) < text.bytes + is_parted)
        return false;
    if (is_parted)
        *shortener->to++ = ' ';
    return true;
}

static bool write_text(struct shortener *shortener, struct text text)
{
    if (!begin_text(shortener, text))
        return false;
    memcpy(shortener->to, text.start, text.bytes);
    shortener->to += text.bytes;
    return true;
}

/* "<28>" becomes "(\()", never more. */
static const char *write_string_of_digits(struct shortener *shortener, const char *at)
{
    *shortener->to++ = '(';
    for (at++; *at != '>'; at += 2) {
        char c = (char)(digit_value(at[0]) << 4 | digit_value(at[1]));
        if (c == '(' || c == ')' || c == '\\')
            *shortener->to++ = '\\';
        *shortener->to++ = c;
    }
    *shortener->to++ = ')';
    return at + 1;
}

static struct text group_of(const struct shortener *shortener)
{
    return (struct text){shortener->group_at, (size_t)(shortener->at - shortener->group_at)};
}

/* Operands of which some are strings of digits. */
static bool write_digits(struct shortener *shortener)
{
    const char *at = shortener->group_at, *end = shortener->at;
    if (!begin_text(shortener, group_of(shortener)))
        return false;
    while (at < end) {
        if (*at == '(') {
            const char *string = at;
            at = string_end(at, end);
            memcpy(shortener->to, string, (size_t)(at - string));
            shortener->to += at - string;
        } else if (*at == '%' || (*at == '<' && at[1] == '<')) {
            return false; /* what follows may look like something else */
        } else if (*at == '<') {
            at = write_string_of_digits(shortener, at);
        } else {
            *shortener->to++ = *at++;
        }
    }
    return true;
}

static bool write_group(struct shortener *shortener)
{
    return shortener->has_digits ? write_digits(shortener)
                                 : write_text(shortener, group_of(shortener));
}

/* ---- colours --------------------------------------------------------------------------------- */

static void want(struct colour *colour, struct text wanted)
{
    colour->wanted = text_equal(wanted, colour->set) ? TEXT_NONE : wanted;
}

static bool use(struct shortener *shortener, struct colour *colour)
{
    if (colour->wanted.bytes == 0)
        return true;
    *colour = (struct colour){.set = colour->wanted};
    return write_text(shortener, colour->set);
}

static bool use_both(struct shortener *shortener)
{
    return use(shortener, &shortener->colours.fill) && use(shortener, &shortener->colours.stroke);
}

/* ---- groups: operands and their operator ----------------------------------------------------- */

static bool keep(struct shortener *shortener)
{
    shortener->used_count = shortener->saved_count;
    return write_group(shortener);
}

static bool save(struct shortener *shortener)
{
    if (shortener->saved_count == SAVED_MAX)
        return false;
    shortener->saved[shortener->saved_count].colours = shortener->colours;
    shortener->saved[shortener->saved_count++].to = shortener->to;
    if (shortener->is_in_text) /* where the font is looked at again when the state is restored */
        shortener->used_count = shortener->saved_count;
    return write_group(shortener);
}

static bool restore(struct shortener *shortener)
{
    if (shortener->saved_count == 0) {
        shortener->colours = (struct colours){0};
        return keep(shortener);
    }
    shortener->colours = shortener->saved[--shortener->saved_count].colours;
    if (shortener->saved_count < shortener->used_count)
        return keep(shortener);
    shortener->to = shortener->saved[shortener->saved_count].to;
    return true;
}

static bool show(struct shortener *shortener)
{
    return use(shortener, &shortener->colours.fill) &&
           (!shortener->has_outlines || use(shortener, &shortener->colours.stroke)) &&
           keep(shortener);
}

static bool take_group(struct shortener *shortener, enum operator_kind kind)
{
    struct colours *colours = &shortener->colours;
    switch (kind) {
    case OPERATOR_UNKNOWN:
        return false;
    case OPERATOR_DRAWING:
        return true;
    case OPERATOR_FILL:
        want(&colours->fill, group_of(shortener));
        return true;
    case OPERATOR_STROKE:
        want(&colours->stroke, group_of(shortener));
        return true;
    case OPERATOR_SAVE:
        return save(shortener);
    case OPERATOR_RESTORE:
        return restore(shortener);
    case OPERATOR_PLACE:
        return write_group(shortener);
    case OPERATOR_BEGIN_TEXT:
    case OPERATOR_END_TEXT:
        shortener->is_in_text = kind == OPERATOR_BEGIN_TEXT;
        return keep(shortener);
    case OPERATOR_TEXT_OUTLINE:
        shortener->has_outlines = true;
        return keep(shortener);
    case OPERATOR_TEXT:
        return keep(shortener);
    case OPERATOR_SHOW:
        return show(shortener);
    case OPERATOR_OTHER:
        if (!use_both(shortener) || !keep(shortener))
            return false;
        *colours = (struct colours){0};
        return true;
    }
    return false;
}

static bool take_operator(struct shortener *shortener)
{
    struct text name = {shortener->at, 0};
    shortener->at = skip_regular(shortener->at, shortener->end);
    name.bytes = (size_t)(shortener->at - name.start);
    struct operator found = operators_find(name);
    /* A pattern may hold pictures, and they are looked for by drawing with it. */
    bool is_pattern = shortener->has_name && text_equal_nocase(name, TEXT("scn"));
    bool is_taken = shortener->operand_count >= found.operands_min && !is_pattern &&
                    take_group(shortener, found.kind);
    shortener->operand_count = 0;
    shortener->has_name = shortener->has_digits = false;
    return is_taken;
}

static bool take_operand(struct shortener *shortener)
{
    const char *end = operand_end(shortener, shortener->at);
    shortener->at = end;
    return end && shortener->operand_count++ < OPERANDS_MAX;
}

static bool is_operand(char c)
{
    return is_digit(c) || c == '-' || c == '.' || c == '(' || c == '[' || c == '<' || c == '/' ||
           c == '+';
}

static bool shorten(struct shortener *shortener)
{
    const char *end = shortener->end;
    while ((shortener->at = skip_space(shortener->at, end)) != NULL && shortener->at < end) {
        if (shortener->operand_count == 0)
            shortener->group_at = shortener->at;
        bool is_taken =
            is_operand(*shortener->at) ? take_operand(shortener) : take_operator(shortener);
        if (!is_taken)
            return false;
    }
    return shortener->at && shortener->operand_count == 0 && use_both(shortener);
}

/* ---- public ---------------------------------------------------------------------------------- */

bool instructions_shorten(struct text instructions, struct buffer *out)
{
    char *room = buffer_reserve(out, instructions.bytes);
    if (!room || instructions.bytes == 0)
        return room != NULL;
    struct shortener shortener = {
        .at = instructions.start,
        .end = instructions.start + instructions.bytes,
        .start = room,
        .to = room,
        .room_end = room + instructions.bytes,
    };
    if (!shorten(&shortener))
        return false;
    out->bytes += (size_t)(shortener.to - room);
    return true;
}
