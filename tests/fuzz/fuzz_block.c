/* Characters anywhere on up to eight pages: no character is lost or made while lines are put in
 * order, and what is written is clean text with marks that rise. */
#include <assert.h>
#include <string.h>

#include "extract/block.h"
#include "worker/base/memory.h"
#include "worker/model/chunk.h"

#define PAGES_MAX 8
#define GLYPH_BYTES 6 /* of the input: character, places, size and weight */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const CHARS[] = {"a", "b",  "Z",  "-",      "1", "9",      ".",      " ",
                                    " ", "\n", "\n", "\u00ad", "•", "\u6c34", "\u05d0", "\u202b"};

static bool is_bidi_mark(struct text rest)
{
    return text_starts_with(rest, TEXT("\u202b"));
}

/* Of all but white space and bidi marks. */
static uint64_t sum_of_chars(struct text text)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        if (is_bidi_mark(text_slice(text, i, text.bytes)))
            i += 2;
        else if (text.start[i] != ' ' && text.start[i] != '\n')
            sum += (uint8_t)text.start[i] + 1000u;
    }
    return sum;
}

static size_t draw(struct layout_page *page, const uint8_t *data, size_t bytes)
{
    struct buffer text = buffer_new(4 * bytes + 16);
    struct layout_glyph *glyphs = xcalloc(bytes + 1, sizeof(*glyphs));
    size_t count = 0, at = 0;
    float y = 0;
    for (; at + GLYPH_BYTES <= bytes && data[at] != 0xff; at += GLYPH_BYTES) {
        const uint8_t *in = data + at;
        const char *c = CHARS[in[0] % COUNT_OF(CHARS)];
        float x = (float)(in[1] * 3), size = (float)(in[4] % 32);
        buffer_append(&text, c, strlen(c));
        y = in[2] & 1 ? (float)(in[2] * 4) : y;
        if (!is_bidi_mark(text_from(c)))
            glyphs[count++] = (struct layout_glyph){
                .box = {x, y, x + (float)in[3] / 8, in[5] & 4 ? 1e30f : y + size},
                .font_size = size,
                .is_bold = in[5] & 1,
                .is_hidden = in[5] & 2,
            };
    }
    layout_read(page, buffer_text(&text), glyphs, count - (bytes > 3 && data[3] == 1 && count));
    uint64_t sum = 0, drawn = sum_of_chars(buffer_text(&text));
    layout_order(page);
    for (size_t i = 0; i < page->line_count; i++)
        sum += sum_of_chars(layout_line_text(page, &page->lines[i]));
    assert(sum == drawn);
    buffer_release(&text);
    xfree(glyphs);
    return at + 1;
}

static void check(struct text text, const struct buffer *marks)
{
    const struct mark *mark = (const struct mark *)(const void *)marks->data;
    uint32_t passed = 0;
    assert(text_is_utf8(text) && (text.bytes == 0 || !memchr(text.start, 0, text.bytes)));
    for (size_t i = 0; i < marks->bytes / sizeof(*mark); i++, mark++) {
        assert(mark->byte_start >= passed && mark->byte_end > mark->byte_start);
        assert(mark->byte_end <= text.bytes);
        passed = mark->byte_end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct layout_page pages[PAGES_MAX] = {0};
    struct block block = {.pages = pages, .page_count = PAGES_MAX};
    for (size_t i = 0; i < PAGES_MAX; i++) {
        pages[i].width = 765;
        pages[i].height = 1020;
        pages[i].is_right_to_left = i == 3;
        size_t used = draw(&pages[i], data, bytes);
        data += used < bytes ? used : bytes;
        bytes -= used < bytes ? used : bytes;
    }
    block_study(&block);
    for (size_t i = 0; i < PAGES_MAX; i++) {
        struct buffer text = buffer_new(1 << 20), marks = buffer_new(1 << 12);
        struct clean_figures figures;
        if (block_write(&block, i, &text, &marks, &figures))
            check(buffer_text(&text), &marks);
        buffer_release(&text);
        buffer_release(&marks);
        layout_release(&pages[i]);
    }
    block_release(&block);
    return 0;
}
