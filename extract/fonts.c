#include "extract/fonts.h"

#include "extract/inflate.h"
#include "extract/syntax.h"
#include "extract/xref.h"
#include "worker/base/memory.h"

#define SNIFF_BYTES 256
#define SNIFF_DATA_BYTES 1024 /* compressed, for as much as that */
#define SNIFFS_MAX 50000
#define OBJECTS_MAX 10000
#define SAVED_BYTES_MIN ((uint64_t)4 << 20) /* compressed, not read again: about a tenth second */
#define HEAD_BYTES 256 /* of an object, without its dictionary: more than enough */
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
    [CONTENT_INSTRUCTIONS] = FONTS_INSTRUCTIONS_BYTES_MAX,
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

/* How a page, or a part of one, is drawn. A page's own instructions say nothing about themselves. */
static bool is_instructions(struct text dictionary)
{
    struct text key, value;
    size_t entry_count = 0;
    if (is_form(dictionary))
        return true;
    while (syntax_take_entry(&dictionary, &key, &value))
        entry_count++;
    return entry_count == 2; /* a length and a filter */
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

/* ---- objects of the update ------------------------------------------------------------------- */

struct written {
    uint64_t number, generation;
    uint64_t at; /* in the file as it will be */
};

struct preparation {
    struct text body;
    struct buffer *update;
    struct inflater *inflater;
    struct xref xref;
    struct buffer content; /* of one stream */
    struct written written[OBJECTS_MAX];
    size_t written_count;
    size_t sniff_count;
    struct buffer instructions;       /* struct xref_stream each */
    uint64_t saved_bytes;             /* compressed, on each page where all of them are used */
    uint64_t saved_instruction_bytes; /* compressed, on all pages together */
};

/* The dictionary without what was true of the compressed bytes only. */
static void write_dictionary(struct buffer *update, struct text dictionary, size_t content_bytes)
{
    struct text key, value;
    buffer_append_text(update, TEXT("<<"));
    while (syntax_take_entry(&dictionary, &key, &value))
        if (!text_equal(key, TEXT("/Filter")) && !text_equal(key, TEXT("/Length")) &&
            !text_equal(key, TEXT("/DL"))) {
            buffer_append_text(update, key);
            buffer_append_char(update, ' ');
            buffer_append_text(update, value);
        }
    buffer_format(update, "/Length %zu>>", content_bytes);
}

static void write_object(struct preparation *preparation, const struct xref_stream *stream,
                         struct text content)
{
    struct buffer *update = preparation->update;
    buffer_append_char(update, '\n');
    preparation->written[preparation->written_count++] = (struct written){
        stream->number, stream->generation, preparation->body.bytes + update->bytes};
    buffer_format(update, "%llu %llu obj\n", (unsigned long long)stream->number,
                  (unsigned long long)stream->generation);
    write_dictionary(update, stream->dictionary, content.bytes);
    buffer_append_text(update, TEXT("\nstream\n"));
    buffer_append_text(update, content);
    buffer_append_text(update, TEXT("\nendstream\nendobj\n"));
}

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
    return inflate(preparation, stream->data, CONTENT_BYTES_MAX[content]);
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
static bool prepare_object(struct preparation *preparation, uint64_t number)
{
    const struct xref_entry *entry = &preparation->xref.entries[number];
    struct xref_stream stream;
    if (entry->kind != XREF_IS_PLAIN || entry->generation > GENERATION_MAX ||
        !xref_read_stream(&preparation->xref, entry->at, &stream) || stream.number != number ||
        stream.generation != entry->generation || !is_candidate(stream.dictionary))
        return true;
    enum content content = content_of(sniff(preparation, stream.data), stream.dictionary);
    if (content == CONTENT_INSTRUCTIONS) { /* only if it pays, and after all fonts */
        preparation->saved_instruction_bytes += stream.data.bytes;
        (void)buffer_append(&preparation->instructions, &stream, sizeof(stream));
    }
    if (content == CONTENT_OTHER || content == CONTENT_INSTRUCTIONS)
        return preparation->sniff_count < SNIFFS_MAX;
    struct text bytes = content_for(preparation, &stream, content);
    if (bytes.bytes == 0)
        return !preparation->content.is_full;
    write_object(preparation, &stream, bytes);
    preparation->saved_bytes += stream.data.bytes;
    return !preparation->update->is_full && preparation->written_count < OBJECTS_MAX;
}

/* What there is no room for, or is damaged, stays as it is. */
static void prepare_instructions(struct preparation *preparation)
{
    const struct xref_stream *streams = (const void *)preparation->instructions.data;
    size_t count = preparation->instructions.bytes / sizeof(*streams);
    size_t bytes_left = FONTS_INSTRUCTIONS_BYTES_MAX;
    for (size_t i = 0; i < count && preparation->written_count < OBJECTS_MAX; i++) {
        struct text bytes = inflate(preparation, streams[i].data, bytes_left);
        size_t head_bytes = streams[i].dictionary.bytes + HEAD_BYTES;
        size_t room = preparation->update->bytes_max - preparation->update->bytes;
        if (bytes.bytes == 0 || bytes.bytes == bytes_left || bytes.bytes + head_bytes > room)
            continue;
        bytes_left -= bytes.bytes;
        write_object(preparation, &streams[i], bytes);
    }
}

/* ---- the cross-reference section ------------------------------------------------------------- */

/* What the file says about itself is told again: the newest section has the last word. */
static void write_trailer_entries(const struct preparation *preparation)
{
    static const struct text kept[] = {{"/Root", 5}, {"/Info", 5}, {"/ID", 3}};
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        struct text value = syntax_find(preparation->xref.trailer, kept[i]);
        if (value.bytes == 0)
            continue;
        buffer_append_text(preparation->update, kept[i]);
        buffer_append_char(preparation->update, ' ');
        buffer_append_text(preparation->update, value);
    }
    buffer_format(preparation->update, "/Prev %llu",
                  (unsigned long long)preparation->xref.newest_at);
}

static void write_table(const struct preparation *preparation)
{
    struct buffer *update = preparation->update;
    buffer_append_text(update, TEXT("xref\n"));
    for (size_t i = 0; i < preparation->written_count; i++) {
        const struct written *written = &preparation->written[i];
        buffer_format(update, "%llu 1\n%010llu %05u n \n", (unsigned long long)written->number,
                      (unsigned long long)written->at, (unsigned)written->generation);
    }
    buffer_format(update, "trailer\n<</Size %u", preparation->xref.entry_count);
    write_trailer_entries(preparation);
    buffer_append_text(update, TEXT(">>\n"));
}

static void write_number(struct buffer *update, uint64_t value, size_t bytes)
{
    while (bytes--)
        buffer_append_char(update, (char)(value >> 8 * bytes));
}

/* A file whose newest section is a stream gets a stream: poppler takes one with a table for
 * something that it may repair. */
static void write_stream(const struct preparation *preparation)
{
    struct buffer *update = preparation->update;
    uint32_t number = preparation->xref.entry_count; /* the first that is free */
    buffer_format(update, "%u 0 obj\n<</Type/XRef/Size %u/W[1 5 2]/Index[", number, number + 1);
    for (size_t i = 0; i < preparation->written_count; i++)
        buffer_format(update, "%llu 1 ", (unsigned long long)preparation->written[i].number);
    buffer_append_char(update, ']');
    write_trailer_entries(preparation);
    buffer_format(update, "/Length %zu>>\nstream\n", preparation->written_count * 8);
    for (size_t i = 0; i < preparation->written_count; i++) {
        write_number(update, 1, 1);
        write_number(update, preparation->written[i].at, 5);
        write_number(update, preparation->written[i].generation, 2);
    }
    buffer_append_text(update, TEXT("\nendstream\nendobj\n"));
}

static void write_section(const struct preparation *preparation)
{
    uint64_t at = preparation->body.bytes + preparation->update->bytes;
    if (preparation->xref.is_stream)
        write_stream(preparation);
    else
        write_table(preparation);
    buffer_format(preparation->update, "startxref\n%llu\n%%%%EOF\n", (unsigned long long)at);
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
    prepare_instructions(preparation);
    return true;
}

bool fonts_prepare(struct text body, uint32_t page_count, struct buffer *update)
{
    struct xref xref;
    if (page_count < FONTS_PAGES_MIN || !xref_read(body, &xref))
        return false;
    struct preparation *preparation = xcalloc(1, sizeof(*preparation));
    preparation->body = body;
    preparation->update = update;
    preparation->xref = xref;
    preparation->inflater = inflater_new();
    preparation->content = buffer_new(FONTS_UPDATE_BYTES_MAX);
    preparation->instructions = buffer_new(OBJECTS_MAX * sizeof(struct xref_stream));
    bool is_prepared = prepare_objects(preparation, page_count);
    if (is_prepared)
        write_section(preparation);
    inflater_free(preparation->inflater);
    buffer_release(&preparation->content);
    buffer_release(&preparation->instructions);
    xref_release(&preparation->xref);
    xfree(preparation);
    return is_prepared && !update->is_full;
}
