#include "worker/spool.h"

#include <string.h>

#include "chunker/chunker.h"
#include "worker/base/memory.h"

struct spooled {
    struct list_node node;
    struct page page;
    char bytes[]; /* the marks, then the text */
};

void spool_init(struct spool *spool)
{
    list_init(&spool->pages);
    spool->text_bytes = 0;
}

static void add_piece(struct spool *spool, const struct page *piece)
{
    size_t mark_bytes = piece->mark_count * sizeof(struct mark);
    struct spooled *copy = xmalloc(sizeof(*copy) + mark_bytes + piece->text.bytes);
    *copy = (struct spooled){.page = *piece};
    if (mark_bytes)
        memcpy(copy->bytes, piece->marks, mark_bytes);
    if (piece->text.bytes)
        memcpy(copy->bytes + mark_bytes, piece->text.start, piece->text.bytes);
    copy->page.marks = (const struct mark *)(const void *)copy->bytes;
    copy->page.text.start = copy->bytes + mark_bytes;
    list_push_back(&spool->pages, &copy->node);
    spool->text_bytes += piece->text.bytes;
}

/* The marks that lie in [from, to), moved to the piece's own start; one that is cut is shortened.
 */
static void add_cut_piece(struct spool *spool, const struct page *page, size_t from, size_t to)
{
    struct page piece = *page;
    struct mark *marks = xcalloc(page->mark_count, sizeof(*marks));
    piece.text = text_slice(page->text, from, to);
    piece.marks = marks;
    piece.mark_count = 0;
    for (size_t i = 0; i < page->mark_count; i++) {
        struct mark mark = page->marks[i];
        if (mark.byte_start < from || mark.byte_start >= to)
            continue;
        mark.byte_end = (uint32_t)((mark.byte_end < to ? mark.byte_end : to) - from);
        mark.byte_start -= (uint32_t)from;
        marks[piece.mark_count++] = mark;
    }
    add_piece(spool, &piece);
    xfree(marks);
}

void spool_add(struct spool *spool, const struct page *page)
{
    if (page->text.bytes <= CHUNKER_PIECE_BYTES_MAX) {
        add_piece(spool, page);
        return;
    }
    for (size_t from = 0; from < page->text.bytes;) {
        struct text rest = text_slice(page->text, from, page->text.bytes);
        size_t to = from + text_utf8_prefix(rest, CHUNKER_PIECE_BYTES_MAX).bytes;
        add_cut_piece(spool, page, from, to);
        from = to;
    }
}

const struct page *spool_first(const struct spool *spool)
{
    struct list_node *node = list_first(&spool->pages);
    return node ? &container_of(node, struct spooled, node)->page : NULL;
}

void spool_drop_first(struct spool *spool)
{
    struct spooled *first = container_of(list_pop_front(&spool->pages), struct spooled, node);
    spool->text_bytes -= first->page.text.bytes;
    xfree(first);
}

void spool_move(struct spool *from, struct spool *to)
{
    for (struct list_node *node; (node = list_pop_front(&from->pages));)
        list_push_back(&to->pages, node);
    to->text_bytes += from->text_bytes;
    from->text_bytes = 0;
}

void spool_release(struct spool *spool)
{
    while (spool->pages.count)
        spool_drop_first(spool);
}
