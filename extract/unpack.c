#include "extract/unpack.h"

#include <string.h>

#include "extract/syntax.h"

#define UNPACKED_BYTES_MAX ((size_t)4 << 20) /* more are felt in the memory of a child */
#define HEAD_BYTES 64                        /* around a value that stands by itself, at most */

/* Only what was right in the file: a viewer may take what is not for something else. */
static bool is_here(const struct xref *xref, const struct xref_stream *stream, uint64_t number,
                    uint64_t index)
{
    const struct xref_entry *entry = number < xref->entry_count ? &xref->entries[number] : NULL;
    return entry && entry->kind == XREF_IS_CONTAINED && entry->at == stream->number &&
           entry->generation == index;
}

/* Most of what there is in a book full of links, and never asked for. */
static bool is_annotation(struct text inside)
{
    struct text key, value;
    while (syntax_take_entry(&inside, &key, &value))
        if (text_equal(key, TEXT("/Type")))
            return text_equal(value, TEXT("/Annot"));
    return false;
}

/* A dictionary or an array, and nothing else. */
static bool is_wanted(struct text value)
{
    struct text rest = value, inside;
    if (text_starts_with(value, TEXT("[")))
        return syntax_take_array(&rest) && rest.bytes == 0;
    return text_starts_with(value, TEXT("<<")) &&
           !is_annotation(text_slice(value, 2, value.bytes)) &&
           syntax_take_dictionary(&rest, &inside) && rest.bytes == 0;
}

/* Widths of characters; the other arrays are places in the document, and its parts. */
static bool is_of_numbers(struct text value)
{
    static const char allowed[] = "[]0123456789.-+ \r\n\t";
    size_t at = 0;
    while (at < value.bytes && memchr(allowed, value.start[at], sizeof(allowed) - 1))
        at++;
    return at == value.bytes;
}

static bool may_be_of_font(struct text value)
{
    return !text_starts_with(value, TEXT("[")) || is_of_numbers(value);
}

static void unpack_value(struct update *update, struct gathering *gathering, uint64_t number,
                         struct text value)
{
    value = text_trim(value);
    if (!is_wanted(value))
        return;
    if (may_be_of_font(value) && gather_value(gathering, (uint32_t)number, value))
        return;
    if (update_has_room(update, 1, value.bytes + HEAD_BYTES) &&
        update->value_bytes + value.bytes <= UNPACKED_BYTES_MAX)
        update_put_value(update, (uint32_t)number, value);
}

/* In front of the values: which object each is, and where it begins. */
struct place {
    uint64_t number, at;
};

static bool take_place(struct text *places, struct place *ret_place)
{
    return syntax_take_u64(places, &ret_place->number) && syntax_take_u64(places, &ret_place->at);
}

void unpack_stream(struct update *update, struct gathering *gathering,
                   const struct xref_stream *stream, struct text content)
{
    uint64_t count, first;
    struct place place;
    if (!text_parse_u64(syntax_find(stream->dictionary, TEXT("/N")), &count) || count == 0 ||
        !text_parse_u64(syntax_find(stream->dictionary, TEXT("/First")), &first) ||
        first > content.bytes)
        return;
    struct text places = text_slice(content, 0, first);
    struct text values = text_slice(content, first, content.bytes);
    if (!take_place(&places, &place))
        return;
    for (uint64_t i = 0; i < count; i++) {
        struct place next = {.at = values.bytes};
        bool is_last = i + 1 == count;
        if ((!is_last && !take_place(&places, &next)) || place.at > next.at ||
            next.at > values.bytes)
            return;
        if (is_here(update->xref, stream, place.number, i))
            unpack_value(update, gathering, place.number, text_slice(values, place.at, next.at));
        place = next;
    }
}
