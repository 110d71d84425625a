/*
 * HTML through libxml2's SAX parser: events in, blocks of prose out; no tree is built.
 */
#include <libxml/HTMLparser.h>
#include <string.h>

#include "extract/charset.h"
#include "extract/markup.h"

#define DECODED_BYTES_MAX ((size_t)256 << 20)
#define DECLARATION_WITHIN_BYTES 2048 /* browsers look at 1,024 */
#define TITLE_BYTES_MAX ((size_t)4096)
#define DEPTH_MAX \
    20000 /* old pages that close nothing reach hundreds; work grows with its square */

enum element_role {
    ROLE_INLINE, /* and whatever is not in the table */
    ROLE_DROPPED,
    ROLE_BLOCK,
    ROLE_HEADING, /* h1 .. h6 */
    ROLE_LIST,
    ROLE_ITEM,
    ROLE_ROW,
    ROLE_CELL,
    ROLE_LINE_BREAK,
    ROLE_LITERAL,
    ROLE_TITLE,
    ROLE_IMAGE,
};

/* Sorted by name. */
static const struct {
    const char *name;
    enum element_role role;
} ELEMENTS[] = {
    {"address", ROLE_BLOCK},    {"applet", ROLE_DROPPED},   {"area", ROLE_IMAGE},
    {"article", ROLE_BLOCK},    {"aside", ROLE_BLOCK},      {"audio", ROLE_DROPPED},
    {"blockquote", ROLE_BLOCK}, {"body", ROLE_BLOCK},       {"br", ROLE_LINE_BREAK},
    {"canvas", ROLE_DROPPED},   {"caption", ROLE_BLOCK},    {"center", ROLE_BLOCK},
    {"dd", ROLE_BLOCK},         {"details", ROLE_BLOCK},    {"dialog", ROLE_BLOCK},
    {"dir", ROLE_LIST},         {"div", ROLE_BLOCK},        {"dl", ROLE_BLOCK},
    {"dt", ROLE_BLOCK},         {"fieldset", ROLE_BLOCK},   {"figcaption", ROLE_BLOCK},
    {"figure", ROLE_BLOCK},     {"footer", ROLE_BLOCK},     {"form", ROLE_BLOCK},
    {"frameset", ROLE_DROPPED}, {"h1", ROLE_HEADING},       {"h2", ROLE_HEADING},
    {"h3", ROLE_HEADING},       {"h4", ROLE_HEADING},       {"h5", ROLE_HEADING},
    {"h6", ROLE_HEADING},       {"header", ROLE_BLOCK},     {"hr", ROLE_BLOCK},
    {"iframe", ROLE_DROPPED},   {"img", ROLE_IMAGE},        {"legend", ROLE_BLOCK},
    {"li", ROLE_ITEM},          {"main", ROLE_BLOCK},       {"menu", ROLE_LIST},
    {"nav", ROLE_DROPPED},      {"noscript", ROLE_DROPPED}, {"object", ROLE_DROPPED},
    {"ol", ROLE_LIST},          {"p", ROLE_BLOCK},          {"plaintext", ROLE_LITERAL},
    {"pre", ROLE_LITERAL},      {"script", ROLE_DROPPED},   {"section", ROLE_BLOCK},
    {"select", ROLE_DROPPED},   {"style", ROLE_DROPPED},    {"summary", ROLE_BLOCK},
    {"svg", ROLE_DROPPED},      {"table", ROLE_BLOCK},      {"tbody", ROLE_BLOCK},
    {"td", ROLE_CELL},          {"template", ROLE_DROPPED}, {"textarea", ROLE_LITERAL},
    {"tfoot", ROLE_BLOCK},      {"th", ROLE_CELL},          {"thead", ROLE_BLOCK},
    {"title", ROLE_TITLE},      {"tr", ROLE_ROW},           {"ul", ROLE_LIST},
    {"video", ROLE_DROPPED},    {"xmp", ROLE_LITERAL},
};

struct html {
    struct prose *prose;
    struct buffer title;
    unsigned depth, dropped_depth, literal_depth, title_depth;
    bool is_too_deep;
    bool needs_space; /* white space seen, put before the next word */
    xmlParserCtxtPtr parser;
};

static enum element_role role_of(const char *name)
{
    size_t from = 0, to = COUNT_OF(ELEMENTS);
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = strcmp(name, ELEMENTS[middle].name);
        if (order == 0)
            return ELEMENTS[middle].role;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return ROLE_INLINE;
}

static struct text attribute(const xmlChar **attributes, const char *name)
{
    for (; attributes && attributes[0]; attributes += 2)
        if (strcmp((const char *)attributes[0], name) == 0)
            return text_from((const char *)attributes[1]);
    return TEXT_NONE;
}

/* ---- text ------------------------------------------------------------------------------------ */

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

static void add_space(struct html *html)
{
    if (html->needs_space && prose_is_open(html->prose))
        prose_add(html->prose, TEXT(" "));
    html->needs_space = false;
}

/* Lines of the source are no lines of the text. */
static void add_flowing(struct html *html, struct text text)
{
    while (text.bytes) {
        size_t bytes = 0;
        while (bytes < text.bytes && !is_space(text.start[bytes]))
            bytes++;
        if (bytes) {
            add_space(html);
            prose_add(html->prose, text_slice(text, 0, bytes));
        }
        html->needs_space = html->needs_space || bytes < text.bytes;
        text = text_slice(text, bytes + 1, text.bytes);
    }
}

static void on_characters(void *arg, const xmlChar *characters, int bytes)
{
    struct html *html = arg;
    struct text text = {(const char *)characters, (size_t)bytes};
    if (html->title_depth)
        buffer_append_text(&html->title, text_slice(text, 0, TITLE_BYTES_MAX));
    else if (html->dropped_depth)
        return;
    else if (html->literal_depth)
        prose_add(html->prose, text);
    else
        add_flowing(html, text);
    if (prose_is_full(html->prose))
        xmlStopParser(html->parser);
}

/* ---- elements -------------------------------------------------------------------------------- */

static unsigned first_number(const char *name, const xmlChar **attributes)
{
    uint64_t first;
    if (strcmp(name, "ol") != 0)
        return 0;
    bool is_given = text_parse_u64(attribute(attributes, "start"), &first);
    return is_given && first && first < INT32_MAX ? (unsigned)first : 1;
}

static void begin_element(struct html *html, const char *name, const xmlChar **attributes)
{
    struct prose *prose = html->prose;
    enum element_role role = role_of(name);
    bool is_in_line = role == ROLE_INLINE || role == ROLE_TITLE || role == ROLE_IMAGE;
    html->needs_space = html->needs_space && is_in_line;
    switch (role) {
    case ROLE_INLINE:
        return;
    case ROLE_DROPPED:
        html->dropped_depth = html->depth;
        return;
    case ROLE_BLOCK:
        prose_begin(prose, PROSE_PARAGRAPH, 0);
        return;
    case ROLE_HEADING:
        prose_begin(prose, PROSE_HEADING, (unsigned)(name[1] - '0'));
        return;
    case ROLE_LIST:
        prose_begin_list(prose, first_number(name, attributes));
        return;
    case ROLE_ITEM:
        prose_begin_item(prose);
        return;
    case ROLE_ROW:
        prose_begin_row(prose);
        return;
    case ROLE_CELL:
        prose_begin_cell(prose);
        return;
    case ROLE_LINE_BREAK:
        prose_break_line(prose);
        return;
    case ROLE_LITERAL:
        prose_begin(prose, PROSE_PARAGRAPH, 0);
        html->literal_depth = html->literal_depth ? html->literal_depth : html->depth;
        return;
    case ROLE_TITLE:
        html->title_depth = html->depth;
        return;
    case ROLE_IMAGE:
        html->needs_space = true;
        add_flowing(html, attribute(attributes, "alt"));
        html->needs_space = true;
        return;
    }
}

static void on_start(void *arg, const xmlChar *name, const xmlChar **attributes)
{
    struct html *html = arg;
    html->depth++;
    if (html->depth > DEPTH_MAX) {
        html->is_too_deep = true;
        xmlStopParser(html->parser);
    } else if (!html->dropped_depth) {
        begin_element(html, (const char *)name, attributes);
    }
}

/* The element that began something ends it. */
static bool ends(struct html *html, unsigned *depth)
{
    bool is_it = *depth && *depth == html->depth;
    if (is_it)
        *depth = 0;
    return is_it;
}

static void end_element(struct html *html, const char *name)
{
    enum element_role role = role_of(name);
    html->needs_space = html->needs_space && (role == ROLE_INLINE || role == ROLE_IMAGE);
    if (role == ROLE_LIST)
        prose_end_list(html->prose);
    else if (role == ROLE_ROW)
        prose_end_row(html->prose);
    else if (role == ROLE_BLOCK || role == ROLE_HEADING || role == ROLE_ITEM ||
             role == ROLE_LITERAL)
        prose_end(html->prose);
}

static void on_end(void *arg, const xmlChar *name)
{
    struct html *html = arg;
    bool was_dropped = html->dropped_depth != 0;
    (void)ends(html, &html->dropped_depth);
    (void)ends(html, &html->literal_depth);
    if (ends(html, &html->title_depth))
        prose_set_title(html->prose, buffer_text(&html->title));
    html->depth--;
    if (!was_dropped)
        end_element(html, (const char *)name);
}

/* ---- the document ---------------------------------------------------------------------------- */

/* "<meta charset=x>", "content='text/html; charset=x'", "<?xml encoding='x'". */
static struct text declared_charset(struct text body)
{
    static const char *const keys[] = {"charset=", "encoding="};
    struct text head = text_slice(body, 0, DECLARATION_WITHIN_BYTES);
    for (size_t i = 0; i < head.bytes; i++)
        for (size_t k = 0; k < COUNT_OF(keys); k++) {
            struct text key = text_from(keys[k]), word = text_slice(head, i, i + key.bytes);
            if (!text_equal_nocase(word, key))
                continue;
            struct text value = text_slice(head, i + word.bytes, head.bytes);
            while (value.bytes && strchr("\"' ", value.start[0]))
                value = text_slice(value, 1, value.bytes);
            size_t bytes = 0;
            while (bytes < value.bytes && !strchr("\"' ;/>?", value.start[bytes]))
                bytes++;
            return text_slice(value, 0, bytes);
        }
    return TEXT_NONE;
}

/* "233", "xe9"; 0: it is none. */
static uint32_t number_of(struct text digits)
{
    uint32_t value = 0;
    bool is_hex = digits.bytes && (digits.start[0] | 0x20) == 'x';
    for (size_t i = is_hex; i < digits.bytes; i++) {
        char c = (char)(digits.start[i] | 0x20);
        uint32_t digit = c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : (uint32_t)(c - '0');
        if (digit >= (is_hex ? 16 : 10) || value > 0x10ffff)
            return 0;
        value = value * (is_hex ? 16 : 10) + digit;
    }
    bool is_character = value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
    return is_character ? value : 0;
}

void markup_warm_up(void)
{
    xmlInitParser();
    htmlDefaultSAXHandlerInit();
}

bool markup_add_html(struct text body, struct prose *prose, struct error *err)
{
    struct html html = {.prose = prose, .title = buffer_new(2 * TITLE_BYTES_MAX)};
    if (body.bytes > INT32_MAX)
        return error_set(err, ERR_TEXT_MAX, "more HTML than can be read");
    html.parser = htmlNewParserCtxt();
    if (!html.parser)
        return error_set(err, ERR_EXTRACT_MEMORY, "no parser");
    html.parser->userData = &html;
    memset(html.parser->sax, 0, sizeof(*html.parser->sax));
    html.parser->sax->startElement = on_start;
    html.parser->sax->endElement = on_end;
    html.parser->sax->characters = on_characters;
    html.parser->sax->ignorableWhitespace = on_characters;
    html.parser->sax->cdataBlock = on_characters;
    static const int options = HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                               HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC;
    xmlDocPtr document =
        htmlCtxtReadMemory(html.parser, body.start, (int)body.bytes, NULL, "UTF-8", options);
    xmlFreeDoc(document); /* there is none, but for a doctype's sake */
    htmlFreeParserCtxt(html.parser);
    buffer_release(&html.title);
    if (html.is_too_deep)
        return error_set(err, ERR_DAMAGED, "HTML nested deeper than %d elements", DEPTH_MAX);
    prose_end(prose);
    return true;
}

bool markup_append_entity(struct text entity, struct buffer *out)
{
    struct text name = text_slice(entity, 1, entity.bytes - 1); /* without '&' and ';' */
    char word[16];
    uint32_t code_point = 0;
    if (text_starts_with(name, TEXT("#"))) {
        code_point = number_of(text_slice(name, 1, name.bytes));
    } else if (text_format(word, sizeof(word), "%.*s", TEXT_ARGS(name))) {
        const htmlEntityDesc *found = htmlEntityLookup((const xmlChar *)word);
        code_point = found ? found->value : 0;
    }
    if (code_point == 0)
        return buffer_append_text(out, entity);
    charset_append(out, code_point);
    return true;
}

bool markup_read_html(struct text body, struct prose *prose, struct error *err)
{
    AUTO_BUFFER struct buffer decoded = buffer_new(DECODED_BYTES_MAX);
    return charset_decode_all(body, declared_charset(body), &decoded, err) &&
           markup_add_html(buffer_text(&decoded), prose, err);
}
