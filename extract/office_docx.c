/*
 * docx (Office Open XML): the document part, with what word/styles.xml says of its paragraphs.
 */
#include <string.h>

#include "extract/office.h"
#include "extract/office_xml.h"
#include "worker/base/memory.h"

#define STYLES_MAX 4096
#define STYLE_BYTES 80
#define STYLE_DEPTH_MAX 16 /* of styles that are based on each other */
#define NOTES_MAX 4096     /* later ones have no number */
#define NOTE_ID_BYTES 12
#define LEVEL_MAX 6u /* of marks; deeper headings are of the last */

/* What a paragraph is; a heading that is numbered is a heading. */
struct shape {
    unsigned level; /* 0: no heading */
    bool is_item;
};

struct style {
    char id[STYLE_BYTES], based_on[STYLE_BYTES];
    struct shape shape;
};

struct note {
    bool is_endnote;
    char id[NOTE_ID_BYTES];
};

struct docx {
    struct prose *prose;
    char main_part[128];
    struct style *styles;
    size_t style_count;
    bool is_in_style;
    struct shape shape; /* of the paragraph at hand */
    bool is_paragraph_due, is_in_properties, is_in_text, is_in_title;
    bool has_text_on_page;
    unsigned dropped_depth; /* elements open in one that is left out, itself included */
    struct note *notes;     /* in the order of their marks in the text */
    size_t note_count;
    bool is_in_endnotes, is_note_fresh;
};

static bool is(const char *name, const char *wanted)
{
    return strcmp(name, wanted) == 0;
}

static struct text value_of(const char **attributes)
{
    return office_xml_attribute(attributes, "val");
}

static bool is_enough(void *arg)
{
    return prose_is_full(((struct docx *)arg)->prose);
}

static void ignore_text(void *arg, struct text text)
{
    (void)arg, (void)text;
}

static void ignore_end(void *arg, const char *name)
{
    (void)arg, (void)name;
}

/* ---- which part is the document -------------------------------------------------------------- */

static void on_relation(void *arg, const char *name, const char **attributes)
{
    struct docx *docx = arg;
    struct text target = office_xml_attribute(attributes, "Target");
    if (is(name, "Relationship") &&
        text_ends_with(office_xml_attribute(attributes, "Type"), TEXT("/officeDocument")))
        (void)text_format(
            docx->main_part, sizeof(docx->main_part), "%.*s",
            TEXT_ARGS(text_slice(target, text_starts_with(target, TEXT("/")), target.bytes)));
}

/* ---- styles ---------------------------------------------------------------------------------- */

/* outlineLvl counts from 0; 9 is body text. */
static void take_outline_level(struct shape *shape, struct text value)
{
    uint64_t level;
    if (text_parse_u64(value, &level))
        shape->level = level >= 9 ? 0 : level + 1 < LEVEL_MAX ? (unsigned)level + 1 : LEVEL_MAX;
}

/* The names of the built-in styles are in English whatever the language of the program is. */
static void take_style_name(struct shape *shape, struct text name)
{
    uint64_t level;
    struct text word = text_slice(name, 0, 8);
    if (text_equal_nocase(name, TEXT("Title")))
        shape->level = 1;
    else if (text_equal_nocase(word, TEXT("heading ")) &&
             text_parse_u64(text_slice(name, 8, name.bytes), &level) && level)
        shape->level = level < LEVEL_MAX ? (unsigned)level : LEVEL_MAX;
    else if (text_equal_nocase(text_slice(name, 0, 5), TEXT("List ")))
        shape->is_item = !text_equal_nocase(name, TEXT("List Paragraph"));
}

static void on_style_start(void *arg, const char *name, const char **attributes)
{
    struct docx *docx = arg;
    if (is(name, "style")) {
        docx->is_in_style = docx->style_count < STYLES_MAX;
        if (!docx->is_in_style)
            return;
        struct style *style = &docx->styles[docx->style_count++];
        *style = (struct style){0};
        (void)text_format(style->id, sizeof(style->id), "%.*s",
                          TEXT_ARGS(office_xml_attribute(attributes, "styleId")));
    }
    if (!docx->is_in_style)
        return;
    struct style *style = &docx->styles[docx->style_count - 1];
    if (is(name, "name"))
        take_style_name(&style->shape, value_of(attributes));
    else if (is(name, "basedOn"))
        (void)text_format(style->based_on, sizeof(style->based_on), "%.*s",
                          TEXT_ARGS(value_of(attributes)));
    else if (is(name, "outlineLvl"))
        take_outline_level(&style->shape, value_of(attributes));
    else if (is(name, "numId"))
        style->shape.is_item = !text_equal(value_of(attributes), TEXT("0"));
}

static void on_style_end(void *arg, const char *name)
{
    struct docx *docx = arg;
    if (is(name, "style"))
        docx->is_in_style = false;
}

static const struct style *find_style(const struct docx *docx, struct text id)
{
    for (size_t i = 0; i < docx->style_count; i++)
        if (text_equal(text_from(docx->styles[i].id), id))
            return &docx->styles[i];
    return NULL;
}

static struct shape shape_of_style(const struct docx *docx, struct text id)
{
    struct shape shape = {0};
    for (unsigned depth = 0; depth < STYLE_DEPTH_MAX && id.bytes; depth++) {
        const struct style *style = find_style(docx, id);
        if (!style)
            break;
        shape = style->shape;
        if (shape.level || shape.is_item)
            break;
        id = text_from(style->based_on);
    }
    return shape;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void begin_paragraph(struct docx *docx)
{
    bool is_heading = docx->shape.level != 0;
    docx->is_paragraph_due = false;
    if (docx->shape.is_item && !is_heading)
        prose_begin_item(docx->prose);
    else
        prose_begin(docx->prose, is_heading ? PROSE_HEADING : PROSE_PARAGRAPH, docx->shape.level);
}

static void add(struct docx *docx, struct text text)
{
    if (docx->is_paragraph_due)
        begin_paragraph(docx);
    docx->has_text_on_page = docx->has_text_on_page || text.bytes;
    prose_add(docx->prose, text);
}

static void add_line_break(struct docx *docx)
{
    add(docx, TEXT_NONE);
    prose_break_line(docx->prose);
}

/* What the author asked for and what Word found when it last laid the text out often stand side by
 * side. */
static void break_page(struct docx *docx)
{
    if (docx->has_text_on_page)
        prose_page_break(docx->prose);
    docx->has_text_on_page = false;
}

static void add_note_mark(struct docx *docx, size_t number)
{
    char mark[16];
    (void)text_format(mark, sizeof(mark), "[%zu]", number);
    add(docx, text_from(mark));
}

static void add_reference(struct docx *docx, bool is_endnote, struct text id)
{
    if (docx->note_count == NOTES_MAX || id.bytes >= NOTE_ID_BYTES)
        return;
    struct note *note = &docx->notes[docx->note_count++];
    note->is_endnote = is_endnote;
    (void)text_format(note->id, sizeof(note->id), "%.*s", TEXT_ARGS(id));
    add_note_mark(docx, docx->note_count);
}

static void begin_note(struct docx *docx, struct text id)
{
    docx->shape = (struct shape){0};
    docx->is_note_fresh = true;
    begin_paragraph(docx);
    for (size_t i = 0; i < docx->note_count; i++)
        if (docx->notes[i].is_endnote == docx->is_in_endnotes &&
            text_equal(text_from(docx->notes[i].id), id)) {
            add_note_mark(docx, i + 1);
            add(docx, TEXT(" "));
            return;
        }
}

/* ---- elements -------------------------------------------------------------------------------- */

/* Fallback: the same content once more, for programs of old. The changes: how it was before. */
static bool is_dropped(const char *name, const char **attributes)
{
    static const char *const names[] = {"Fallback",  "del",         "moveFrom",
                                        "instrText", "delText",     "pPrChange",
                                        "rPrChange", "numPrChange", "fldData"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (is(name, names[i]))
            return true;
    bool is_note = is(name, "footnote") || is(name, "endnote");
    return is_note && office_xml_attribute(attributes, "type").bytes; /* lines between them */
}

static void take_property(struct docx *docx, const char *name, const char **attributes)
{
    if (is(name, "pStyle"))
        docx->shape = shape_of_style(docx, value_of(attributes));
    else if (is(name, "outlineLvl"))
        take_outline_level(&docx->shape, value_of(attributes));
    else if (is(name, "numId"))
        docx->shape.is_item = !text_equal(value_of(attributes), TEXT("0"));
    else if (is(name, "pageBreakBefore") && !text_equal(value_of(attributes), TEXT("0")))
        break_page(docx);
}

static void take_element(struct docx *docx, const char *name, const char **attributes)
{
    if (is(name, "p")) {
        docx->is_paragraph_due = !docx->is_note_fresh; /* that one stands behind its number */
        docx->is_note_fresh = false;
        docx->shape = (struct shape){0};
    } else if (is(name, "pPr")) {
        docx->is_in_properties = true;
    } else if (is(name, "t")) {
        docx->is_in_text = true;
    } else if (is(name, "tab")) {
        add(docx, TEXT("\t"));
    } else if (is(name, "noBreakHyphen")) {
        add(docx, TEXT("-"));
    } else if (is(name, "lastRenderedPageBreak")) {
        break_page(docx);
    } else if (is(name, "br") || is(name, "cr")) {
        if (text_equal(office_xml_attribute(attributes, "type"), TEXT("page")))
            break_page(docx);
        else
            add_line_break(docx);
    } else if (is(name, "tr")) {
        prose_begin_row(docx->prose);
    } else if (is(name, "tc")) {
        prose_begin_cell(docx->prose);
    } else if (is(name, "footnoteReference") || is(name, "endnoteReference")) {
        add_reference(docx, name[0] == 'e', office_xml_attribute(attributes, "id"));
    } else if (is(name, "footnote") || is(name, "endnote")) {
        begin_note(docx, office_xml_attribute(attributes, "id"));
    }
}

static void on_start(void *arg, const char *name, const char **attributes)
{
    struct docx *docx = arg;
    if (docx->dropped_depth || is_dropped(name, attributes))
        docx->dropped_depth++;
    else if (docx->is_in_properties)
        take_property(docx, name, attributes);
    else
        take_element(docx, name, attributes);
}

static void on_end(void *arg, const char *name)
{
    struct docx *docx = arg;
    if (docx->dropped_depth) {
        docx->dropped_depth--;
    } else if (is(name, "p")) {
        docx->is_paragraph_due = false;
        prose_end(docx->prose);
    } else if (is(name, "pPr")) {
        docx->is_in_properties = false;
    } else if (is(name, "t")) {
        docx->is_in_text = false;
    } else if (is(name, "tr")) {
        prose_end_row(docx->prose);
    }
}

static void on_text(void *arg, struct text text)
{
    struct docx *docx = arg;
    if (docx->is_in_text && !docx->dropped_depth)
        add(docx, text);
}

/* ---- title ----------------------------------------------------------------------------------- */

static void on_core_start(void *arg, const char *name, const char **attributes)
{
    (void)attributes;
    ((struct docx *)arg)->is_in_title = is(name, "title");
}

static void on_core_end(void *arg, const char *name)
{
    (void)name;
    ((struct docx *)arg)->is_in_title = false;
}

static void on_core_text(void *arg, struct text text)
{
    struct docx *docx = arg;
    if (docx->is_in_title)
        prose_set_title(docx->prose, text);
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* A part beside the document itself; a container without it is whole. */
static bool read_part(struct docx *docx, const struct zip *zip, const char *name,
                      struct office_xml xml, struct error *err)
{
    struct zip_member member;
    xml.arg = docx;
    xml.is_enough = is_enough;
    return !zip_find(zip, text_from(name), &member) ||
           office_xml_read(zip, text_from(name), &xml, err);
}

static bool read_notes(struct docx *docx, const struct zip *zip, struct error *err)
{
    static const struct office_xml notes = {
        .on_start = on_start, .on_end = on_end, .on_text = on_text};
    docx->is_in_endnotes = false;
    if (!read_part(docx, zip, "word/footnotes.xml", notes, err))
        return false;
    docx->is_in_endnotes = true;
    return read_part(docx, zip, "word/endnotes.xml", notes, err);
}

static bool read_parts(struct docx *docx, const struct zip *zip, struct error *err)
{
    static const struct office_xml relations = {
        .on_start = on_relation, .on_end = ignore_end, .on_text = ignore_text};
    static const struct office_xml styles = {
        .on_start = on_style_start, .on_end = on_style_end, .on_text = ignore_text};
    static const struct office_xml core = {
        .on_start = on_core_start, .on_end = on_core_end, .on_text = on_core_text};
    const struct office_xml document = {.arg = docx,
                                        .on_start = on_start,
                                        .on_end = on_end,
                                        .on_text = on_text,
                                        .is_enough = is_enough};
    return read_part(docx, zip, "_rels/.rels", relations, err) &&
           read_part(docx, zip, "word/styles.xml", styles, err) &&
           read_part(docx, zip, "docProps/core.xml", core, err) &&
           office_xml_read(zip, text_from(docx->main_part), &document, err) &&
           read_notes(docx, zip, err);
}

bool office_read_docx(struct text body, struct prose *prose, struct error *err)
{
    struct docx docx = {.prose = prose, .main_part = "word/document.xml"};
    struct zip zip;
    if (!zip_open(body, &zip, err))
        return false;
    docx.styles = xcalloc(STYLES_MAX, sizeof(*docx.styles));
    docx.notes = xcalloc(NOTES_MAX, sizeof(*docx.notes));
    bool is_read = read_parts(&docx, &zip, err);
    xfree(docx.styles);
    xfree(docx.notes);
    prose_end(prose);
    return is_read;
}
