/*
 * odt (OpenDocument text): content.xml, and the title of meta.xml.
 */
#include <string.h>

#include "extract/office.h"
#include "extract/office_xml.h"
#include "worker/base/memory.h"

#define STYLE_BYTES 40
#define STYLES_MAX 4096 /* that break the page */
#define NOTES_BYTES_MAX ((size_t)8 << 20)
#define LEVEL_MAX 6

struct odt {
    struct prose *prose;
    char (*styles)[STYLE_BYTES]; /* names of those that begin a new page */
    size_t style_count;
    char style[STYLE_BYTES]; /* the one being defined */
    unsigned paragraph_depth, dropped_depth;
    bool has_text_on_page;
    bool is_in_title, is_encrypted;
    bool is_in_note, is_in_citation;
    struct buffer notes; /* their texts, a line each, until the end */
};

static bool is(const char *name, const char *wanted)
{
    return strcmp(name, wanted) == 0;
}

static bool is_enough(void *arg)
{
    return prose_is_full(((struct odt *)arg)->prose);
}

/* ---- text ------------------------------------------------------------------------------------ */

/* The text of a note stands inside the sentence that it explains; it waits for the end. */
static void add(struct odt *odt, struct text text)
{
    if (odt->is_in_note) {
        buffer_append_text(&odt->notes, text);
        return;
    }
    odt->has_text_on_page = odt->has_text_on_page || text.bytes;
    prose_add(odt->prose, text);
}

static void break_page(struct odt *odt)
{
    if (odt->has_text_on_page && !odt->is_in_note)
        prose_page_break(odt->prose);
    odt->has_text_on_page = false;
}

static bool breaks_page(const struct odt *odt, struct text style)
{
    for (size_t i = 0; i < odt->style_count; i++)
        if (text_equal(text_from(odt->styles[i]), style))
            return true;
    return false;
}

static unsigned level_of(const char *name, const char **attributes)
{
    uint64_t level;
    if (is(name, "p"))
        return text_equal(office_xml_attribute(attributes, "style-name"), TEXT("Title"));
    bool is_given = text_parse_u64(office_xml_attribute(attributes, "outline-level"), &level);
    return !is_given || level == 0 ? 1 : level < LEVEL_MAX ? (unsigned)level : LEVEL_MAX;
}

static void begin_paragraph(struct odt *odt, const char *name, const char **attributes)
{
    unsigned level = level_of(name, attributes);
    odt->paragraph_depth++;
    if (odt->is_in_note)
        return;
    if (breaks_page(odt, office_xml_attribute(attributes, "style-name")))
        break_page(odt);
    prose_begin(odt->prose, level ? PROSE_HEADING : PROSE_PARAGRAPH, level);
}

static void end_paragraph(struct odt *odt)
{
    odt->paragraph_depth -= odt->paragraph_depth != 0;
    if (odt->is_in_note)
        buffer_append_char(&odt->notes, ' ');
    else
        prose_end(odt->prose);
}

/* The mark in the text, and again at the start of the note. */
static void add_citation(struct odt *odt, struct text citation)
{
    prose_add(odt->prose, TEXT("["));
    prose_add(odt->prose, citation);
    prose_add(odt->prose, TEXT("]"));
    buffer_append_char(&odt->notes, '[');
    buffer_append_text(&odt->notes, citation);
    buffer_append_text(&odt->notes, TEXT("] "));
}

static void add_notes(struct odt *odt)
{
    struct text rest = buffer_text(&odt->notes);
    while (rest.bytes) {
        prose_begin(odt->prose, PROSE_PARAGRAPH, 0);
        prose_add(odt->prose, text_cut(rest, '\n', &rest));
    }
    prose_end(odt->prose);
}

/* ---- elements -------------------------------------------------------------------------------- */

static bool is_dropped(const char *name)
{
    static const char *const names[] = {"tracked-changes", "annotation", "binary-data", "desc",
                                        "title",           "ruby-text",  "scripts"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (is(name, names[i]))
            return true;
    return false;
}

static void take_style(struct odt *odt, const char *name, const char **attributes)
{
    if (is(name, "style"))
        (void)text_format(odt->style, sizeof(odt->style), "%.*s",
                          TEXT_ARGS(office_xml_attribute(attributes, "name")));
    else if (text_equal(office_xml_attribute(attributes, "break-before"), TEXT("page")) &&
             odt->style_count < STYLES_MAX)
        memcpy(odt->styles[odt->style_count++], odt->style, STYLE_BYTES);
}

static void begin_structure(struct odt *odt, const char *name)
{
    if (is(name, "list")) {
        prose_begin_list(odt->prose, 0);
    } else if (is(name, "list-item")) {
        prose_begin_item(odt->prose);
    } else if (is(name, "table-row")) {
        prose_begin_row(odt->prose);
    } else if (is(name, "table-cell") || is(name, "covered-table-cell")) {
        prose_begin_cell(odt->prose);
    }
}

static void end_structure(struct odt *odt, const char *name)
{
    if (is(name, "list")) {
        prose_end_list(odt->prose);
    } else if (is(name, "list-item")) {
        prose_end(odt->prose);
    } else if (is(name, "table-row")) {
        prose_end_row(odt->prose);
    }
}

static void take_element(struct odt *odt, const char *name, const char **attributes)
{
    if (is(name, "p") || is(name, "h")) {
        begin_paragraph(odt, name, attributes);
    } else if (is(name, "s")) {
        add(odt, TEXT(" "));
    } else if (is(name, "tab")) {
        add(odt, TEXT("\t"));
    } else if (is(name, "line-break")) {
        if (odt->is_in_note)
            add(odt, TEXT(" "));
        else
            prose_break_line(odt->prose);
    } else if (is(name, "soft-page-break")) {
        break_page(odt);
    } else if (is(name, "note-citation")) {
        odt->is_in_citation = true;
    } else if (is(name, "note-body")) {
        odt->is_in_note = true;
    } else if (is(name, "style") || is(name, "paragraph-properties")) {
        take_style(odt, name, attributes);
    } else if (!odt->is_in_note) {
        begin_structure(odt, name);
    }
}

static void on_start(void *arg, const char *name, const char **attributes)
{
    struct odt *odt = arg;
    if (odt->dropped_depth || is_dropped(name))
        odt->dropped_depth++;
    else
        take_element(odt, name, attributes);
}

static void on_end(void *arg, const char *name)
{
    struct odt *odt = arg;
    if (odt->dropped_depth) {
        odt->dropped_depth--;
    } else if (is(name, "p") || is(name, "h")) {
        end_paragraph(odt);
    } else if (is(name, "note-citation")) {
        odt->is_in_citation = false;
    } else if (is(name, "note-body")) {
        odt->is_in_note = false;
        buffer_append_char(&odt->notes, '\n');
    } else if (!odt->is_in_note) {
        end_structure(odt, name);
    }
}

/* Text outside of paragraphs belongs to formats of numbers and the like. */
static void on_text(void *arg, struct text text)
{
    struct odt *odt = arg;
    if (odt->dropped_depth || !odt->paragraph_depth)
        return;
    if (odt->is_in_citation)
        add_citation(odt, text);
    else
        add(odt, text);
}

/* ---- title and encryption -------------------------------------------------------------------- */

static void on_meta_start(void *arg, const char *name, const char **attributes)
{
    struct odt *odt = arg;
    (void)attributes;
    odt->is_in_title = is(name, "title");
    odt->is_encrypted = odt->is_encrypted || is(name, "encryption-data");
}

static void on_meta_end(void *arg, const char *name)
{
    (void)name;
    ((struct odt *)arg)->is_in_title = false;
}

static void on_meta_text(void *arg, struct text text)
{
    struct odt *odt = arg;
    if (odt->is_in_title)
        prose_set_title(odt->prose, text);
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* A part beside the content; a container without it is whole. */
static bool read_meta(struct odt *odt, const struct zip *zip, struct text name, struct error *err)
{
    const struct office_xml meta = {.arg = odt,
                                    .on_start = on_meta_start,
                                    .on_end = on_meta_end,
                                    .on_text = on_meta_text,
                                    .is_enough = is_enough};
    struct zip_member member;
    return !zip_find(zip, name, &member) || office_xml_read(zip, name, &meta, err);
}

static bool read_parts(struct odt *odt, const struct zip *zip, struct error *err)
{
    const struct office_xml content = {.arg = odt,
                                       .on_start = on_start,
                                       .on_end = on_end,
                                       .on_text = on_text,
                                       .is_enough = is_enough};
    if (!read_meta(odt, zip, TEXT("META-INF/manifest.xml"), err))
        return false;
    if (odt->is_encrypted)
        return error_set(err, ERR_PASSWORD, "the members of the container are encrypted");
    if (!read_meta(odt, zip, TEXT("meta.xml"), err) ||
        !office_xml_read(zip, TEXT("content.xml"), &content, err))
        return false;
    add_notes(odt);
    return !odt->notes.is_full || error_set(err, ERR_TEXT_MAX, "more notes than can be taken");
}

bool office_read_odt(struct text body, struct prose *prose, struct error *err)
{
    struct odt odt = {.prose = prose, .notes = buffer_new(NOTES_BYTES_MAX)};
    struct zip zip;
    if (!zip_open(body, &zip, err))
        return false;
    odt.styles = xcalloc(STYLES_MAX, STYLE_BYTES);
    bool is_read = read_parts(&odt, &zip, err);
    xfree(odt.styles);
    buffer_release(&odt.notes);
    prose_end(prose);
    return is_read;
}
