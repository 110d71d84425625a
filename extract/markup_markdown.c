/*
 * Markdown through md4c: events in, blocks of prose out.
 */
#include <md4c.h>
#include <string.h>

#include "extract/charset.h"
#include "extract/markup.h"

#define DECODED_BYTES_MAX ((size_t)256 << 20)
#define HTML_BYTES_MAX ((size_t)64 << 20)
#define FRONT_MATTER_BYTES_MAX ((size_t)16 << 10)
#define STOP 1 /* of a callback */

struct markdown {
    struct prose *prose;
    struct buffer html;   /* of a block of HTML */
    struct buffer entity; /* one, decoded */
    struct error *err;
    bool is_in_html, has_failed;
};

/* ---- blocks ---------------------------------------------------------------------------------- */

static int on_block_start(MD_BLOCKTYPE type, void *detail, void *arg)
{
    struct markdown *markdown = arg;
    struct prose *prose = markdown->prose;
    switch (type) {
    case MD_BLOCK_UL:
        prose_begin_list(prose, 0);
        return 0;
    case MD_BLOCK_OL: {
        unsigned start = ((const MD_BLOCK_OL_DETAIL *)detail)->start;
        prose_begin_list(prose, start ? start : 1);
        return 0;
    }
    case MD_BLOCK_LI:
        prose_begin_item(prose);
        return 0;
    case MD_BLOCK_H:
        prose_begin(prose, PROSE_HEADING, ((const MD_BLOCK_H_DETAIL *)detail)->level);
        return 0;
    case MD_BLOCK_P:
    case MD_BLOCK_CODE:
        prose_begin(prose, PROSE_PARAGRAPH, 0);
        return 0;
    case MD_BLOCK_HTML:
        markdown->is_in_html = true;
        return 0;
    case MD_BLOCK_TR:
        prose_begin_row(prose);
        return 0;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        prose_begin_cell(prose);
        return 0;
    case MD_BLOCK_DOC:
    case MD_BLOCK_QUOTE:
    case MD_BLOCK_HR:
    case MD_BLOCK_TABLE:
    case MD_BLOCK_THEAD:
    case MD_BLOCK_TBODY:
        return 0;
    }
    return 0;
}

static int end_html(struct markdown *markdown)
{
    markdown->is_in_html = false;
    bool is_added =
        !markdown->html.is_full || error_set(markdown->err, ERR_TEXT_MAX, "too much HTML");
    prose_end(markdown->prose);
    is_added =
        is_added && markup_add_html(buffer_text(&markdown->html), markdown->prose, markdown->err);
    buffer_clear(&markdown->html);
    markdown->has_failed = !is_added;
    return is_added ? 0 : STOP;
}

static int on_block_end(MD_BLOCKTYPE type, void *detail, void *arg)
{
    struct markdown *markdown = arg;
    (void)detail;
    if (type == MD_BLOCK_UL || type == MD_BLOCK_OL)
        prose_end_list(markdown->prose);
    else if (type == MD_BLOCK_TR)
        prose_end_row(markdown->prose);
    else
        prose_end(markdown->prose);
    return type == MD_BLOCK_HTML ? end_html(markdown) : 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

static int on_span(MD_SPANTYPE type, void *detail, void *arg)
{
    (void)type, (void)detail, (void)arg; /* only what is written counts */
    return 0;
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *start, MD_SIZE bytes, void *arg)
{
    struct markdown *markdown = arg;
    struct prose *prose = markdown->prose;
    struct text text = {start, bytes};
    switch (type) {
    case MD_TEXT_NORMAL:
    case MD_TEXT_CODE:
    case MD_TEXT_LATEXMATH:
        prose_add(prose, text);
        break;
    case MD_TEXT_BR:
        prose_break_line(prose);
        break;
    case MD_TEXT_SOFTBR:
        prose_add(prose, TEXT(" "));
        break;
    case MD_TEXT_ENTITY:
        buffer_clear(&markdown->entity);
        markup_append_entity(text, &markdown->entity);
        prose_add(prose, buffer_text(&markdown->entity));
        break;
    case MD_TEXT_HTML: /* a tag in a line says nothing but "<br>" */
        if (markdown->is_in_html)
            buffer_append_text(&markdown->html, text);
        else if (text_equal_nocase(text_slice(text, 0, 3), TEXT("<br")))
            prose_break_line(prose);
        break;
    case MD_TEXT_NULLCHAR:
        break;
    }
    return prose_is_full(prose) ? STOP : 0;
}

/* ---- the document ---------------------------------------------------------------------------- */

/* What static site generators write before the text, between two lines of dashes: to Markdown it
 * would be a heading. */
static bool find_front_matter(struct text text, struct text *ret_matter, struct text *ret_rest)
{
    struct text rest;
    if (!text_equal(text_trim(text_cut(text, '\n', &rest)), TEXT("---")))
        return false;
    struct text matter = text_slice(rest, 0, FRONT_MATTER_BYTES_MAX);
    for (size_t at = 0; at < matter.bytes;) {
        struct text after, line = text_cut(text_slice(matter, at, matter.bytes), '\n', &after);
        struct text word = text_trim(line);
        size_t next = at + line.bytes + 1;
        if (text_equal(word, TEXT("---")) || text_equal(word, TEXT("..."))) {
            *ret_matter = text_slice(matter, 0, at);
            *ret_rest = text_slice(rest, next, rest.bytes);
            return true;
        }
        at = next;
    }
    return false;
}

static void add_front_matter(struct prose *prose, struct text matter)
{
    prose_begin(prose, PROSE_PLAIN, 0);
    prose_add(prose, matter);
    prose_end(prose);
    while (matter.bytes) {
        struct text value, line = text_cut(matter, '\n', &matter);
        if (text_equal(text_cut(line, ':', &value), TEXT("title"))) {
            value = text_trim(value);
            bool is_quoted = value.bytes >= 2 && strchr("\"'", value.start[0]);
            prose_set_title(prose, text_slice(value, is_quoted, value.bytes - is_quoted));
        }
    }
}

static bool parse(struct markdown *markdown, struct text text)
{
    const MD_PARSER parser = {
        .flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS,
        .enter_block = on_block_start,
        .leave_block = on_block_end,
        .enter_span = on_span,
        .leave_span = on_span,
        .text = on_text,
    };
    int result = md_parse(text.start ? text.start : "", (MD_SIZE)text.bytes, &parser, markdown);
    if (markdown->has_failed)
        return false;
    if (result < 0)
        return error_set(markdown->err, ERR_EXTRACT_MEMORY, "md4c: %d", result);
    return true;
}

bool markup_read_markdown(struct text body, struct prose *prose, struct error *err)
{
    AUTO_BUFFER struct buffer decoded = buffer_new(DECODED_BYTES_MAX);
    struct markdown markdown = {
        .prose = prose, .html = buffer_new(HTML_BYTES_MAX), .entity = buffer_new(256), .err = err};
    if (!charset_decode_all(body, TEXT_NONE, &decoded, err))
        return false;
    struct text text = buffer_text(&decoded), matter;
    if (find_front_matter(text, &matter, &text))
        add_front_matter(prose, matter);
    bool is_read = parse(&markdown, text);
    buffer_release(&markdown.html);
    buffer_release(&markdown.entity);
    return is_read;
}
