#include "extract/fonts.h"

#include "extract/cmap.h"
#include "extract/gather.h"
#include "extract/inflate.h"
#include "extract/instructions.h"
#include "extract/syntax.h"
#include "extract/unpack.h"

#define SNIFF_BYTES 256
#define SNIFF_DATA_BYTES 1024 /* compressed, for as much as that */
#define SNIFFS_MAX 50000
#define INSTRUCTIONS_MAX 10000
#define INSTRUCTIONS_BYTES_MAX ((size_t)2 << 20)       /* of one stream */
#define INSTRUCTIONS_WORK_BYTES_MAX ((size_t)64 << 20) /* of all that are looked at */
#define SAVED_BYTES_MIN ((uint64_t)4 << 20) /* compressed, not read again: about a tenth second */
#define GENERATION_MAX 65535

/* ---- what a stream is ------------------------------------------------------------------------ */

enum content {
    CONTENT_OTHER,
    CONTENT_MAP,
    CONTENT_TYPE_1,
    CONTENT_TRUE_TYPE,
    CONTENT_CFF,
    CONTENT_INSTRUCTIONS
};

/* How much is copied. The name and encoding of a Type 1 font stand before its encrypted part; a
 * TrueType font is looked at only to see that it is one. */
static const size_t CONTENT_BYTES_MAX[] = {
    [CONTENT_OTHER] = 0,
    [CONTENT_MAP] = FONTS_UPDATE_BYTES_MAX,
    [CONTENT_TYPE_1] = FONTS_UPDATE_BYTES_MAX,
    [CONTENT_TRUE_TYPE] = 4096,
    [CONTENT_CFF] = FONTS_UPDATE_BYTES_MAX,
    [CONTENT_INSTRUCTIONS] = INSTRUCTIONS_BYTES_MAX,
};

static bool contains(struct text text, struct text needle)
{
    size_t at;
    return text_find(text, needle, &at);
}

static bool is_form(struct text dictionary)
{
    return text_equal(syntax_find(dictionary, TEXT("/Subtype")), TEXT("/Form"));
}

/* Nothing but a length and a filter? */
static bool is_bare(struct text dictionary)
{
    struct text key, value;
    size_t entry_count = 0;
    while (syntax_take_entry(&dictionary, &key, &value))
        entry_count++;
    return entry_count == 2;
}

/* How a page, or a part of one, is drawn. A page's own instructions say nothing about themselves. */
static bool is_instructions(struct text dictionary)
{
    return is_form(dictionary) || is_bare(dictionary);
}

static enum content content_of(struct text start, struct text dictionary)
{
    static const struct text true_type = {"\0\1\0\0", 4}, cff = {"\1\0\4", 3};
    if (contains(start, TEXT("CIDInit")) || contains(start, TEXT("begincmap")))
        return CONTENT_MAP;
    if (text_starts_with(start, TEXT("%!PS-AdobeFont-1")) ||
        text_starts_with(start, TEXT("%!FontType1")))
        return CONTENT_TYPE_1;
    if (text_starts_with(start, true_type) && syntax_find(dictionary, TEXT("/Length1")).bytes)
        return CONTENT_TRUE_TYPE;
    if (text_starts_with(start, cff) || text_starts_with(start, TEXT("OTTO")))
        return CONTENT_CFF;
    return is_instructions(dictionary) ? CONTENT_INSTRUCTIONS : CONTENT_OTHER;
}

static bool is_foreign(struct text key, struct text value, bool is_form)
{
    static const struct text always[] = {{"/DecodeParms", 12}, {"/DP", 3}, {"/F", 2}},
                             unless_form[] = {{"/Type", 5}, {"/Width", 6}, {"/BBox", 5}};
    for (size_t i = 0; i < COUNT_OF(always); i++)
        if (text_equal(key, always[i]))
            return true;
    for (size_t i = 0; i < COUNT_OF(unless_form) && !is_form; i++)
        if (text_equal(key, unless_form[i]) && !text_equal(value, TEXT("/CMap")))
            return true;
    return contains(key, TEXT("#")); /* may be any of these */
}

/* Is it compressed as we can undo it, and perhaps a font's, or instructions? */
static bool is_candidate(struct text dictionary)
{
    struct text key, value;
    bool is_deflated = false, may_have_type = is_form(dictionary);
    while (syntax_take_entry(&dictionary, &key, &value)) {
        if (is_foreign(key, value, may_have_type))
            return false;
        if (text_equal(key, TEXT("/Filter")))
            is_deflated = text_equal(value, TEXT("/FlateDecode")) ||
                          text_equal(value, TEXT("[/FlateDecode]")) ||
                          text_equal(value, TEXT("[ /FlateDecode ]"));
    }
    return is_deflated && text_trim(dictionary).bytes == 0;
}

/* ---- streams --------------------------------------------------------------------------------- */

struct preparation {
    struct xref xref;
    struct update update;
    struct inflater *inflater;
    struct gathering *gathering;
    struct buffer content;   /* of one stream */
    struct buffer shortened; /* of one stream, too */
    size_t sniff_count;
    struct buffer instructions;       /* struct xref_stream each */
    uint64_t saved_bytes;             /* compressed, on each page where all of them are used */
    uint64_t saved_instruction_bytes; /* compressed, on all pages together */
    bool may_gather;
};

static struct text inflate(struct preparation *preparation, struct text data, size_t bytes_max)
{
    buffer_clear(&preparation->content);
    enum inflate_result result =
        inflater_run(preparation->inflater, data, bytes_max, &preparation->content);
    /* Whoever reads a damaged stream makes of it what he can: we would make something else. */
    return result == INFLATE_IS_BAD ? TEXT_NONE : buffer_text(&preparation->content);
}

static struct text content_for(struct preparation *preparation, const struct xref_stream *stream,
                               enum content content)
{
    static const struct text end_of_clear = {"eexec", 5};
    static const size_t CLEAR_BYTES = 16 << 10; /* usual, at most */
    size_t at;
    if (content == CONTENT_TYPE_1) {
        struct text start = inflate(preparation, stream->data, CLEAR_BYTES);
        if (text_find(start, end_of_clear, &at))
            return text_slice(start, 0, at + end_of_clear.bytes);
    }
    struct text whole = inflate(preparation, stream->data, CONTENT_BYTES_MAX[content]);
    buffer_clear(&preparation->shortened);
    /* A map with a name may be an encoding. */
    bool is_shorter = content == CONTENT_MAP && whole.bytes && is_bare(stream->dictionary) &&
                      cmap_shorten(whole, &preparation->shortened);
    return is_shorter ? buffer_text(&preparation->shortened) : whole;
}

/* The start of what the stream holds; empty when that cannot be seen. */
static struct text sniff(struct preparation *preparation, struct text data)
{
    buffer_clear(&preparation->content);
    /* As the data are cut off here, this ends badly for short ones: what came out is enough. */
    (void)!inflater_run(preparation->inflater, text_slice(data, 0, SNIFF_DATA_BYTES), SNIFF_BYTES,
                        &preparation->content);
    preparation->sniff_count++;
    return buffer_text(&preparation->content);
}

/* False: a limit is reached, and it is better to change nothing. */
static bool prepare_stream(struct preparation *preparation, const struct xref_stream *stream)
{
    if (!is_candidate(stream->dictionary))
        return true;
    enum content content = content_of(sniff(preparation, stream->data), stream->dictionary);
    if (content == CONTENT_INSTRUCTIONS) { /* only if it pays, and after all fonts */
        preparation->saved_instruction_bytes += stream->data.bytes;
        (void)buffer_append(&preparation->instructions, stream, sizeof(*stream));
    }
    if (content == CONTENT_OTHER || content == CONTENT_INSTRUCTIONS)
        return preparation->sniff_count < SNIFFS_MAX;
    struct text bytes = content_for(preparation, stream, content);
    if (bytes.bytes == 0)
        return !preparation->content.is_full;
    if (!update_has_room(&preparation->update, 1, bytes.bytes + stream->dictionary.bytes))
        return false;
    update_put_stream(&preparation->update, stream, bytes);
    preparation->saved_bytes += stream->data.bytes;
    return true;
}

/* Only in a file that a viewer does not repair, or does not repair otherwise: one whose newest
 * section is a stream. */
static bool is_object_stream(const struct preparation *preparation, struct text dictionary)
{
    return preparation->xref.is_stream &&
           text_equal(syntax_find(dictionary, TEXT("/Type")), TEXT("/ObjStm")) &&
           text_equal(syntax_find(dictionary, TEXT("/Filter")), TEXT("/FlateDecode")) &&
           !syntax_find(dictionary, TEXT("/DecodeParms")).bytes;
}

static bool prepare_object(struct preparation *preparation, uint32_t number)
{
    const struct xref_entry *entry = &preparation->xref.entries[number];
    struct xref_object object = {0};
    bool is_read = entry->kind == XREF_IS_PLAIN && entry->generation <= GENERATION_MAX &&
                   xref_read_object(&preparation->xref, entry->at, &object) &&
                   object.stream.number == number && object.stream.generation == entry->generation;
    if (!is_read && object.stream.dictionary.bytes)
        preparation->may_gather = false; /* there may be something to repair */
    if (!is_read)
        return true;
    if (is_object_stream(preparation, object.stream.dictionary)) {
        unpack_stream(&preparation->update, preparation->gathering, &object.stream,
                      inflate(preparation, object.stream.data, FONTS_UPDATE_BYTES_MAX));
        return true;
    }
    if (object.value.bytes == 0)
        return prepare_stream(preparation, &object.stream);
    if (preparation->may_gather && entry->generation == 0)
        (void)gather_value(preparation->gathering, number, object.value);
    return true;
}

static struct text instructions_of(struct preparation *preparation, struct text whole)
{
    buffer_clear(&preparation->shortened);
    return instructions_shorten(whole, &preparation->shortened)
               ? buffer_text(&preparation->shortened)
               : whole;
}

/* As far as there is room: what comes then stays as it is. False: some are damaged. A page may have
 * several of them, and what is open where one breaks off goes on in the next. */
static bool prepare_instructions(struct preparation *preparation)
{
    const struct xref_stream *streams = (const void *)preparation->instructions.data;
    size_t count = preparation->instructions.bytes / sizeof(*streams);
    size_t bytes_left = FONTS_INSTRUCTIONS_BYTES_MAX, looked_bytes = 0;
    for (size_t i = 0; i < count && looked_bytes < INSTRUCTIONS_WORK_BYTES_MAX; i++) {
        struct text whole = inflate(preparation, streams[i].data, INSTRUCTIONS_BYTES_MAX);
        if (!whole.start)
            return false;
        looked_bytes += whole.bytes;
        if (whole.bytes == INSTRUCTIONS_BYTES_MAX)
            continue;
        struct text bytes = instructions_of(preparation, whole);
        if (bytes.bytes > bytes_left ||
            !update_has_room(&preparation->update, 1, bytes.bytes + streams[i].dictionary.bytes))
            break;
        bytes_left -= bytes.bytes;
        update_put_stream(&preparation->update, &streams[i], bytes);
    }
    return true;
}

/* ---- public ---------------------------------------------------------------------------------- */

static bool prepare_objects(struct preparation *preparation, uint32_t page_count)
{
    for (uint32_t number = 0; number < preparation->xref.entry_count; number++)
        if (!prepare_object(preparation, number))
            return false;
    if (preparation->saved_bytes * page_count + preparation->saved_instruction_bytes <
        SAVED_BYTES_MIN)
        return false;
    if (preparation->may_gather || preparation->xref.is_stream)
        gather_write(preparation->gathering, &preparation->update);
    return prepare_instructions(preparation);
}

bool fonts_prepare(struct text body, uint32_t page_count, struct buffer *update)
{
    struct preparation preparation = {0};
    if (page_count < FONTS_PAGES_MIN || !xref_read(body, &preparation.xref))
        return false;
    preparation.update = update_begin(&preparation.xref, update);
    preparation.inflater = inflater_new();
    preparation.gathering = gather_new();
    preparation.content = buffer_new(FONTS_UPDATE_BYTES_MAX);
    preparation.shortened = buffer_new(INSTRUCTIONS_BYTES_MAX);
    preparation.instructions = buffer_new(INSTRUCTIONS_MAX * sizeof(struct xref_stream));
    preparation.may_gather = !preparation.xref.is_stream && xref_is_regular(&preparation.xref);
    bool is_prepared = prepare_objects(&preparation, page_count);
    if (is_prepared)
        update_end(&preparation.update);
    update_release(&preparation.update);
    inflater_free(preparation.inflater);
    gather_free(preparation.gathering);
    buffer_release(&preparation.content);
    buffer_release(&preparation.shortened);
    buffer_release(&preparation.instructions);
    xref_release(&preparation.xref);
    return is_prepared && !update->is_full;
}
