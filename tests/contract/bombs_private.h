/* How each bomb is made, for the table of bombs.c alone. */
#ifndef TESTS_CONTRACT_BOMBS_PRIVATE_H
#define TESTS_CONTRACT_BOMBS_PRIVATE_H

#include "worker/base/buffer.h"

#define MIB ((size_t)1 << 20)

struct buffer bomb_repeated(const char *word, size_t count);
void bomb_append(struct buffer *out, const char *word, size_t count);

void bomb_make_spaces(struct buffer *out);
void bomb_make_forms(struct buffer *out);
void bomb_make_states(struct buffer *out);
void bomb_make_shows(struct buffer *out);
void bomb_make_glyphs(struct buffer *out);
void bomb_make_self_form(struct buffer *out);
void bomb_make_actual_text(struct buffer *out);
void bomb_make_fonts(struct buffer *out);
void bomb_make_to_unicode(struct buffer *out);
void bomb_make_widths(struct buffer *out);
void bomb_make_jbig2(struct buffer *out);
void bomb_make_page_count(struct buffer *out);
void bomb_make_page_loop(struct buffer *out);
void bomb_make_page_tree(struct buffer *out);
void bomb_make_xref_loop(struct buffer *out);
void bomb_make_structure(struct buffer *out);
void bomb_make_docx_ratio(struct buffer *out);
void bomb_make_docx_liar(struct buffer *out);
void bomb_make_docx_entries(struct buffer *out);
void bomb_make_docx_entities(struct buffer *out);
void bomb_make_odt_depth(struct buffer *out);
void bomb_make_odt_attributes(struct buffer *out);
void bomb_make_html_depth(struct buffer *out);
void bomb_make_html_ends(struct buffer *out);
void bomb_make_html_attributes(struct buffer *out);
void bomb_make_html_rows(struct buffer *out);
void bomb_make_markdown_quotes(struct buffer *out);
void bomb_make_markdown_lists(struct buffer *out);
void bomb_make_markdown_brackets(struct buffer *out);
void bomb_make_markdown_table(struct buffer *out);
void bomb_make_one_line(struct buffer *out);
void bomb_make_marks(struct buffer *out);

#endif
