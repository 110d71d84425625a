#include "tests/contract/bombs.h"

#include "tests/contract/bombs_private.h"

struct buffer bomb_repeated(const char *word, size_t count)
{
    struct text text = text_from(word);
    struct buffer out = buffer_new(text.bytes * count);
    for (size_t i = 0; i < count; i++)
        buffer_append_text(&out, text);
    return out;
}

void bomb_append(struct buffer *out, const char *word, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_append_text(out, text_from(word));
}

/* ---- all of them ----------------------------------------------------------------------------- */

#ifdef HOUSE_SANITIZED /* they have no limit of memory: its time ends it there */
#define OF_MEMORY {ERR_EXTRACT_MEMORY, ERR_NO_TEXT, ERR_EXTRACT_TIMEOUT}
#else
#define OF_MEMORY {ERR_EXTRACT_MEMORY, ERR_NO_TEXT}
#endif
#define LIMITS {ERR_EXTRACT_TIMEOUT, ERR_EXTRACT_MEMORY, ERR_TEXT_MAX}
const struct bomb BOMBS[] = {
    {"spaces deflated twice.pdf", bomb_make_spaces, false, {ERR_EXTRACT_TIMEOUT}},
    {"nested forms.pdf", bomb_make_forms, false, {ERR_EXTRACT_TIMEOUT, ERR_EXTRACT_MEMORY}},
    {"saved states.pdf", bomb_make_states, false, OF_MEMORY},
    {"shared font program.pdf", bomb_make_fonts, true, LIMITS},
    {"actual text.pdf", bomb_make_actual_text, true, LIMITS},
    {"scattered glyphs.pdf", bomb_make_glyphs, true, LIMITS},
    {"show operators.pdf", bomb_make_shows, true, LIMITS},
    {"giant bitmap.pdf",
     bomb_make_jbig2,
     false,
     {ERR_NO_TEXT, ERR_EXTRACT_MEMORY, ERR_EXTRACT_TIMEOUT}},
    {"page count.pdf", bomb_make_page_count, false, {ERR_PAGES_MAX, ERR_DAMAGED, ERR_NO_TEXT}},
    {"page loop.pdf", bomb_make_page_loop, false, {ERR_NO_TEXT, ERR_DAMAGED}},
    {"page tree.pdf", bomb_make_page_tree, false, {ERR_PAGES_MAX, ERR_DAMAGED}},
    {"form in itself.pdf", bomb_make_self_form, false, {ERR_NO_TEXT}},
    {"cross reference loop.pdf", bomb_make_xref_loop, false, {ERR_DAMAGED}},
    {"deep structure.pdf", bomb_make_structure, true, {ERR_DAMAGED}},
    {"map to unicode.pdf", bomb_make_to_unicode, true, LIMITS},
    {"widths.pdf", bomb_make_widths, true, LIMITS},
    {"ratio.docx", bomb_make_docx_ratio, false, {ERR_BOMB}},
    {"liar.docx", bomb_make_docx_liar, false, {ERR_BOMB}},
    {"entries.docx", bomb_make_docx_entries, false, {ERR_BOMB}},
    {"entities.docx", bomb_make_docx_entities, false, {ERR_DAMAGED}},
    {"depth.odt", bomb_make_odt_depth, false, {ERR_DAMAGED}},
    {"attributes.odt", bomb_make_odt_attributes, false, {ERR_NO_TEXT, ERR_EXTRACT_TIMEOUT}},
    {"depth.html", bomb_make_html_depth, false, {ERR_DAMAGED}},
    {"ends.html", bomb_make_html_ends, false, {ERR_NO_TEXT, ERR_EXTRACT_TIMEOUT}},
    {"attributes.html", bomb_make_html_attributes, true, {ERR_EXTRACT_TIMEOUT}},
    {"rows.html", bomb_make_html_rows, true, {ERR_EXTRACT_TIMEOUT}},
    {"quotes.md", bomb_make_markdown_quotes, true, LIMITS},
    {"lists.md", bomb_make_markdown_lists, true, LIMITS},
    {"brackets.md", bomb_make_markdown_brackets, true, LIMITS},
    {"table.md", bomb_make_markdown_table, true, LIMITS},
    {"one line.txt", bomb_make_one_line, false, LIMITS},
    {"marks.txt", bomb_make_marks, true, LIMITS},
};
const size_t BOMB_COUNT = COUNT_OF(BOMBS);

bool bomb_ends_well(const struct bomb *bomb, bool is_read, const struct error *err)
{
    if (is_read)
        return bomb->may_be_read;
    for (size_t i = 0; i < BOMB_CODES_MAX && bomb->codes[i]; i++)
        if (bomb->codes[i] == err->code)
            return true;
    return false;
}
