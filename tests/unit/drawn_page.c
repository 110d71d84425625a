#include "tests/unit/drawn_page.h"

#include "tests/unit/test.h"
#include "worker/base/memory.h"

struct drawn_page *drawn_page_new(void)
{
    struct drawn_page *drawn = xcalloc(1, sizeof(*drawn));
    drawn->text = buffer_new(1 << 16);
    return drawn;
}

void drawn_page_free(struct drawn_page *drawn)
{
    buffer_release(&drawn->text);
    xfree(drawn);
}

void drawn_page_put(struct drawn_page *drawn, float x, float y, float size, const char *letters)
{
    struct text rest = text_from(letters);
    for (size_t bytes; (bytes = text_utf8_sequence(rest)) != 0;
         rest = text_slice(rest, bytes, rest.bytes)) {
        buffer_append(&drawn->text, rest.start, bytes);
        if (text_starts_with(rest, TEXT("\u202b")) || text_starts_with(rest, TEXT("\u202c")))
            continue; /* bidi marks have no box */
        struct layout_box box = {x, y, x + size * 0.6f, y + size};
        assert_true(drawn->count < COUNT_OF(drawn->glyphs));
        drawn->glyphs[drawn->count++] = (struct layout_glyph){.box = box, .font_size = size};
        x += size * 0.6f;
    }
}

void drawn_page_line(struct drawn_page *drawn, float x, float y, float size, const char *letters)
{
    drawn_page_put(drawn, x, y, size, letters);
    drawn_page_put(drawn, 0, 0, 0, "\n");
}

void drawn_page_embolden(struct drawn_page *drawn, size_t from)
{
    for (size_t i = from; i < drawn->count; i++)
        drawn->glyphs[i].is_bold = true;
}

struct layout_page drawn_page_read(const struct drawn_page *drawn, bool is_right_to_left)
{
    struct layout_page page = {.width = 600, .height = 800, .is_right_to_left = is_right_to_left};
    layout_read(&page, buffer_text(&drawn->text), drawn->glyphs, drawn->count);
    return page;
}
