#include "extract/notes.h"

#include "extract/inflate.h"
#include "extract/syntax.h"
#include "extract/xref.h"

#define INFLATED_BYTES_MAX ((size_t)64 << 20)
#define SUBTYPES_MAX 1000000 /* a link each: no file of a person's has so many */

/* Is one of the subtypes named that hold what a person wrote? */
static bool names_notes(struct text text)
{
    static const struct text kinds[] = {
        {"/Widget", 7},     {"/Text", 5},     {"/FreeText", 9},        {"/Highlight", 10},
        {"/Underline", 10}, {"/Squiggly", 9}, {"/StrikeOut", 10},      {"/Stamp", 6},
        {"/Caret", 6},      {"/Popup", 6},    {"/FileAttachment", 15},
    };
    size_t at, seen = 0;
    while (seen++ < SUBTYPES_MAX && text_find(text, TEXT("/Subtype"), &at)) {
        text = text_slice(text, at + 8, text.bytes);
        for (size_t i = 0; i < COUNT_OF(kinds); i++) {
            struct text rest = text_slice(text, 0, 32);
            if (syntax_take_word(&rest, kinds[i]))
                return true;
        }
    }
    return seen > SUBTYPES_MAX; /* who knows what follows */
}

/* In the objects that stand compressed in a stream. True also when they cannot be seen. */
static bool stream_names_notes(const struct xref_stream *stream, struct inflater *inflater,
                               struct buffer *content)
{
    if (!text_equal(syntax_find(stream->dictionary, TEXT("/Type")), TEXT("/ObjStm")))
        return false;
    struct text filter = syntax_find(stream->dictionary, TEXT("/Filter"));
    if (filter.bytes == 0)
        return false; /* stands in the file, and was seen there */
    buffer_clear(content);
    return !text_equal(filter, TEXT("/FlateDecode")) ||
           syntax_find(stream->dictionary, TEXT("/DecodeParms")).bytes ||
           inflater_run(inflater, stream->data, content->bytes_max, content) != INFLATE_IS_WHOLE ||
           names_notes(buffer_text(content));
}

static bool streams_name_notes(struct xref *xref)
{
    struct buffer content = buffer_new(INFLATED_BYTES_MAX);
    struct inflater *inflater = inflater_new();
    bool are_possible = false;
    for (uint32_t number = 0; number < xref->entry_count && !are_possible; number++) {
        struct xref_stream stream;
        if (xref->entries[number].kind != XREF_IS_PLAIN ||
            !xref_read_stream(xref, xref->entries[number].at, &stream))
            continue;
        are_possible = stream_names_notes(&stream, inflater, &content);
        content.bytes_max -= content.bytes; /* what is left for the others */
        content.bytes = 0;
    }
    inflater_free(inflater);
    buffer_release(&content);
    return are_possible || content.bytes_max == 0 || xref->bytes_left == 0;
}

bool notes_are_possible(struct text body)
{
    struct xref xref;
    if (names_notes(body) || !xref_read(body, &xref))
        return true;
    bool are_possible = streams_name_notes(&xref);
    xref_release(&xref);
    return are_possible;
}
