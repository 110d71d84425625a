#include "extract/xref.h"

#include <string.h>

#include "extract/inflate.h"
#include "extract/syntax.h"
#include "worker/base/memory.h"

#define HEAD_BYTES_MAX (64 << 10)   /* of an object up to its data */
#define NUMBERED_BYTES_MAX 64       /* of "12 0 obj" */
#define TAIL_BYTES 1024             /* in which startxref stands */
#define SECTIONS_MAX 1000           /* each time a file is changed there is one more */
#define ENTRIES_READ_MAX (4u << 20) /* in all sections */
#define LOOKS_MAX 4                 /* how often the file may be looked through in all */

struct chain {
    struct xref *xref;
    struct inflater *inflater;
    struct buffer rows;    /* of the section that is being read; its bytes_max is what is left */
    uint64_t entries_left; /* sections may overlap: these, and the xref's bytes, bound the work */
    bool has_trailer;
};

static struct text head_at(struct text body, uint64_t at)
{
    return at < body.bytes ? text_slice(body, at, at + HEAD_BYTES_MAX) : TEXT_NONE;
}

/* ---- stream objects -------------------------------------------------------------------------- */

/* The number that an object stands for. */
static bool read_number(const struct xref *xref, uint64_t number, uint64_t *ret_value)
{
    uint64_t found, generation;
    if (number >= xref->entry_count || xref->entries[number].kind != XREF_IS_PLAIN)
        return false;
    struct text rest = head_at(xref->body, xref->entries[number].at);
    return syntax_take_numbered(&rest, TEXT("obj"), &found, &generation) && found == number &&
           syntax_take_u64(&rest, ret_value) && syntax_take_word(&rest, TEXT("endobj"));
}

static bool read_length(const struct xref *xref, struct text value, uint64_t *ret_length)
{
    uint64_t number, generation;
    struct text rest = value;
    if (syntax_take_numbered(&rest, TEXT("R"), &number, &generation))
        return rest.bytes == 0 && read_number(xref, number, ret_length);
    return text_parse_u64(value, ret_length);
}

/* Where the line ends on which "stream" stands. */
static struct text skip_line_end(struct text rest)
{
    size_t at = text_starts_with(rest, TEXT("\r")) ? 1 : 0;
    at += text_starts_with(text_slice(rest, at, rest.bytes), TEXT("\n")) ? 1 : 0;
    return text_slice(rest, at, rest.bytes);
}

/* An array of nothing but numbers and such arrays. *rest moves on as far as was looked. */
static bool take_numbers(struct text *rest, struct text *ret_array)
{
    static const char allowed[] = "[]0123456789.-+ \r\n\t";
    struct text text = *rest;
    size_t depth = 0, at = 0;
    while (at < text.bytes && memchr(allowed, text.start[at], sizeof(allowed) - 1)) {
        depth += text.start[at] == '[';
        depth -= text.start[at++] == ']';
        if (depth == 0)
            break;
    }
    *ret_array = text_slice(text, 0, at);
    *rest = text_slice(text, at, text.bytes);
    return at && depth == 0;
}

static bool take_dictionary(struct text *rest, struct xref_object *object)
{
    if (!syntax_take_dictionary(rest, &object->stream.dictionary))
        return false;
    struct text inside = object->stream.dictionary;
    object->value = (struct text){inside.start - 2, inside.bytes + 4}; /* with its brackets */
    return true;
}

/* Up to the data of a stream, or to the end of another value. A dictionary that cannot be understood
 * counts as looked at up to the limit. */
static bool read_head(struct text *rest, struct xref_object *object, size_t *ret_looked_bytes)
{
    const char *start = rest->start;
    *ret_looked_bytes = rest->bytes;
    if (!syntax_take_numbered(rest, TEXT("obj"), &object->stream.number,
                              &object->stream.generation))
        return false;
    struct text after = *rest;
    bool is_read = false;
    if (syntax_take_word(&after, TEXT("<<"))) {
        if (!take_dictionary(rest, object))
            return false;
        is_read = true;
    } else if (syntax_take_word(rest, TEXT("["))) {
        *rest = (struct text){rest->start - 1, rest->bytes + 1};
        is_read = take_numbers(rest, &object->value);
    }
    *ret_looked_bytes = (size_t)(rest->start - start);
    return is_read;
}

static bool take_data(const struct xref *xref, struct text rest, struct xref_stream *stream)
{
    uint64_t length;
    if (!read_length(xref, syntax_find(stream->dictionary, TEXT("/Length")), &length))
        return false;
    rest = skip_line_end(rest);
    if (rest.bytes == 0)
        return false;
    size_t data_at = (size_t)(rest.start - xref->body.start);
    if (length > xref->body.bytes - data_at)
        return false;
    stream->data = text_slice(xref->body, data_at, data_at + length);
    rest = head_at(xref->body, data_at + length);
    return syntax_take_word(&rest, TEXT("endstream"));
}

bool xref_read_object(struct xref *xref, uint64_t at, struct xref_object *ret_object)
{
    size_t looked_bytes;
    struct text rest = xref->bytes_left ? head_at(xref->body, at) : TEXT_NONE, end;
    *ret_object = (struct xref_object){0};
    bool is_read = read_head(&rest, ret_object, &looked_bytes);
    xref->bytes_left -= looked_bytes < xref->bytes_left ? looked_bytes : xref->bytes_left;
    end = rest;
    if (!is_read || syntax_take_word(&end, TEXT("endobj")))
        return is_read;
    ret_object->value = TEXT_NONE;
    return syntax_take_word(&rest, TEXT("stream")) && take_data(xref, rest, &ret_object->stream);
}

bool xref_read_stream(struct xref *xref, uint64_t at, struct xref_stream *ret_stream)
{
    struct xref_object object;
    if (!xref_read_object(xref, at, &object) || object.value.bytes)
        return false;
    *ret_stream = object.stream;
    return true;
}

/* ---- entries --------------------------------------------------------------------------------- */

/* The newest section that names an object is right about it. */
static void set_entry(struct xref *xref, uint64_t number, struct xref_entry entry)
{
    if (number >= xref->entry_count)
        xref->has_more = true;
    else if (xref->entries[number].kind == XREF_IS_UNKNOWN)
        xref->entries[number] = entry;
}

/* The newest section has the last word on what the file is, too. */
static bool take_trailer(struct chain *chain, struct text dictionary, bool is_stream)
{
    uint64_t size;
    struct xref *xref = chain->xref;
    if (chain->has_trailer)
        return true;
    chain->has_trailer = true;
    xref->trailer = dictionary;
    xref->is_stream = is_stream;
    if (syntax_find(dictionary, TEXT("/Encrypt")).bytes ||
        !text_parse_u64(syntax_find(dictionary, TEXT("/Size")), &size) || size == 0 ||
        size > XREF_OBJECTS_MAX)
        return false;
    xref->entry_count = (uint32_t)size;
    xref->entries = xcalloc(size, sizeof(*xref->entries));
    return true;
}

/* ---- sections that are tables ---------------------------------------------------------------- */

static bool take_table_entry(struct text *rest, struct xref_entry *ret_entry)
{
    uint64_t at, generation;
    if (!syntax_take_u64(rest, &at) || !syntax_take_u64(rest, &generation) ||
        generation > UINT32_MAX)
        return false;
    *ret_entry = (struct xref_entry){at, (uint32_t)generation, XREF_IS_PLAIN};
    if (syntax_take_word(rest, TEXT("n")))
        return true;
    ret_entry->kind = XREF_IS_FREE;
    return syntax_take_word(rest, TEXT("f"));
}

/* is_skipped: to find what stands behind it. */
static bool take_subsection(struct chain *chain, struct text *rest, bool is_skipped)
{
    uint64_t first, count;
    if (!syntax_take_u64(rest, &first) || !syntax_take_u64(rest, &count) ||
        count > chain->entries_left || first > UINT32_MAX)
        return false;
    chain->entries_left -= count;
    for (uint64_t i = 0; i < count; i++) {
        struct xref_entry entry;
        if (!take_table_entry(rest, &entry))
            return false;
        if (!is_skipped)
            set_entry(chain->xref, first + i, entry);
    }
    return true;
}

/* Behind "xref". The trailer, which says how many objects there are, stands behind the entries: for
 * the newest table we go over them twice. */
static bool take_table(struct chain *chain, struct text rest, struct text *ret_dictionary)
{
    struct text from = text_slice(rest, 0, chain->xref->bytes_left);
    bool is_first = !chain->has_trailer;
    rest = from;
    while (!syntax_take_word(&rest, TEXT("trailer")))
        if (!take_subsection(chain, &rest, is_first))
            return false;
    chain->xref->bytes_left -= from.bytes - rest.bytes;
    struct text head = text_slice(rest, 0, HEAD_BYTES_MAX);
    if (!syntax_take_dictionary(&head, ret_dictionary) ||
        !take_trailer(chain, *ret_dictionary, false))
        return false;
    return !is_first || take_table(chain, from, ret_dictionary);
}

/* ---- sections that are streams --------------------------------------------------------------- */

/* At most three numbers in brackets: how wide each column is. */
static bool parse_widths(struct text array, uint64_t widths[3])
{
    if (!syntax_take_word(&array, TEXT("[")))
        return false;
    for (size_t i = 0; i < 3; i++)
        if (!syntax_take_u64(&array, &widths[i]) || widths[i] > 8)
            return false;
    return syntax_take_word(&array, TEXT("]"));
}

/* Undoes PNG's predictors, of which writers use "none" and "up". Answers the rows without the byte
 * before each that names the predictor. */
static bool undo_predictor(struct buffer *rows, size_t row_bytes)
{
    char *above = NULL;
    size_t row_count = rows->bytes / (row_bytes + 1);
    for (size_t i = 0; i < row_count; i++) {
        const char *from = rows->data + i * (row_bytes + 1);
        char *row = rows->data + i * row_bytes; /* never behind from */
        char predictor = *from++;
        if (predictor != 0 && predictor != 2)
            return false;
        for (size_t at = 0; at < row_bytes; at++)
            row[at] = (char)(from[at] + (predictor == 2 && above ? above[at] : 0));
        above = row;
    }
    rows->bytes = row_count * row_bytes;
    return true;
}

static bool inflate_rows(struct chain *chain, const struct xref_stream *stream, size_t row_bytes)
{
    uint64_t predictor = 1, columns = 1;
    struct text filter = syntax_find(stream->dictionary, TEXT("/Filter"));
    struct text parameters = syntax_find(stream->dictionary, TEXT("/DecodeParms"));
    buffer_clear(&chain->rows);
    if (filter.bytes == 0)
        return buffer_append_text(&chain->rows, stream->data);
    if (parameters.bytes) {
        struct text inside;
        if (!syntax_take_dictionary(&parameters, &inside) ||
            !text_parse_u64(syntax_find(inside, TEXT("/Predictor")), &predictor) ||
            !text_parse_u64(syntax_find(inside, TEXT("/Columns")), &columns))
            return false;
    }
    if (!text_equal(filter, TEXT("/FlateDecode")) ||
        inflater_run(chain->inflater, stream->data, SIZE_MAX, &chain->rows) != INFLATE_IS_WHOLE)
        return false;
    if (predictor == 1)
        return true;
    return predictor >= 10 && columns == row_bytes && undo_predictor(&chain->rows, row_bytes);
}

static uint64_t take_column(struct text *row, uint64_t width, uint64_t value_if_none)
{
    uint64_t value = width ? 0 : value_if_none;
    for (uint64_t i = 0; i < width; i++)
        value = value << 8 | (uint8_t)row->start[i];
    *row = text_slice(*row, width, row->bytes);
    return value;
}

/* rows: those that are left. */
static bool take_rows(struct chain *chain, struct text *rows, const uint64_t widths[3],
                      uint64_t first, uint64_t count)
{
    size_t row_bytes = widths[0] + widths[1] + widths[2];
    if (count > rows->bytes / row_bytes || count > chain->entries_left || first > UINT32_MAX)
        return false;
    chain->entries_left -= count;
    for (uint64_t i = 0; i < count; i++) {
        struct text row = text_slice(*rows, i * row_bytes, (i + 1) * row_bytes);
        uint64_t type = take_column(&row, widths[0], 1);
        struct xref_entry entry = {.at = take_column(&row, widths[1], 0)};
        uint64_t generation = take_column(&row, widths[2], 0);
        if (type > 2)
            return false;
        static const enum xref_kind kinds[] = {XREF_IS_FREE, XREF_IS_PLAIN, XREF_IS_CONTAINED};
        entry.kind = kinds[type];
        entry.generation = (uint32_t)generation;
        set_entry(chain->xref, first + i, entry);
    }
    *rows = text_slice(*rows, count * row_bytes, rows->bytes);
    return true;
}

static bool take_stream(struct chain *chain, uint64_t at, struct text *ret_dictionary)
{
    struct xref_stream stream;
    uint64_t widths[3], size, first, count;
    if (!xref_read_stream(chain->xref, at, &stream) ||
        stream.data.bytes > chain->xref->bytes_left ||
        !take_trailer(chain, stream.dictionary, true) ||
        !parse_widths(syntax_find(stream.dictionary, TEXT("/W")), widths) || widths[1] == 0 ||
        !text_parse_u64(syntax_find(stream.dictionary, TEXT("/Size")), &size) ||
        !inflate_rows(chain, &stream, widths[0] + widths[1] + widths[2]))
        return false;
    chain->xref->bytes_left -= stream.data.bytes;
    chain->rows.bytes_max -= chain->rows.bytes;
    *ret_dictionary = stream.dictionary;
    struct text rows = buffer_text(&chain->rows);
    struct text index = syntax_find(stream.dictionary, TEXT("/Index"));
    if (index.bytes == 0)
        return take_rows(chain, &rows, widths, 0, size);
    if (!syntax_take_word(&index, TEXT("[")))
        return false;
    while (!syntax_take_word(&index, TEXT("]")))
        if (!syntax_take_u64(&index, &first) || !syntax_take_u64(&index, &count) ||
            !take_rows(chain, &rows, widths, first, count))
            return false;
    return true;
}

/* ---- the chain ------------------------------------------------------------------------------- */

static bool take_section(struct chain *chain, uint64_t at, struct text *ret_dictionary)
{
    struct text body = chain->xref->body, unused;
    uint64_t hybrid_at;
    struct text rest = at < body.bytes ? text_slice(body, at, body.bytes) : TEXT_NONE;
    if (!text_starts_with(rest, TEXT("xref")))
        return take_stream(chain, at, ret_dictionary);
    rest = text_slice(rest, 4, rest.bytes);
    if (!take_table(chain, rest, ret_dictionary))
        return false;
    struct text hybrid = syntax_find(*ret_dictionary, TEXT("/XRefStm"));
    return hybrid.bytes == 0 ||
           (text_parse_u64(hybrid, &hybrid_at) && take_stream(chain, hybrid_at, &unused));
}

static bool take_sections(struct chain *chain)
{
    uint64_t at = chain->xref->newest_at;
    for (size_t count = 0; count < SECTIONS_MAX; count++) {
        struct text dictionary;
        if (!take_section(chain, at, &dictionary))
            return false;
        struct text previous = syntax_find(dictionary, TEXT("/Prev"));
        if (previous.bytes == 0)
            return true;
        if (!text_parse_u64(previous, &at))
            return false;
    }
    return false;
}

/* The last "startxref" counts. */
static bool find_newest(struct text body, uint64_t *ret_at)
{
    size_t at;
    bool is_found = false;
    struct text rest =
        text_slice(body, body.bytes > TAIL_BYTES ? body.bytes - TAIL_BYTES : 0, body.bytes);
    while (text_find(rest, TEXT("startxref"), &at)) {
        rest = text_slice(rest, at + 9, rest.bytes);
        is_found = true;
    }
    return is_found && syntax_take_u64(&rest, ret_at);
}

bool xref_read(struct text body, struct xref *ret_xref)
{
    struct xref xref = {.body = body, .bytes_left = body.bytes * LOOKS_MAX};
    struct chain chain = {
        .xref = &xref, .rows = buffer_new(ENTRIES_READ_MAX * 16), .entries_left = ENTRIES_READ_MAX};
    /* Places count from the header, which a viewer looks for further on, too. */
    if (!text_starts_with(body, TEXT("%PDF-")) || !find_newest(body, &xref.newest_at))
        return false;
    chain.inflater = inflater_new();
    bool is_read = take_sections(&chain);
    inflater_free(chain.inflater);
    buffer_release(&chain.rows);
    if (is_read)
        *ret_xref = xref;
    else
        xref_release(&xref);
    return is_read;
}

void xref_release(struct xref *xref)
{
    xfree(xref->entries);
    *xref = (struct xref){0};
}

bool xref_is_regular(const struct xref *xref)
{
    if (xref->has_more)
        return false;
    for (uint32_t i = 1; i < xref->entry_count; i++) {
        const struct xref_entry *entry = &xref->entries[i];
        uint64_t number, generation;
        struct text rest = text_slice(head_at(xref->body, entry->at), 0, NUMBERED_BYTES_MAX);
        if (entry->kind != XREF_IS_PLAIN ||
            !syntax_take_numbered(&rest, TEXT("obj"), &number, &generation) || number != i ||
            generation != entry->generation)
            return false;
    }
    return true;
}
