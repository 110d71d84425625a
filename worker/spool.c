#include "worker/spool.h"

#include <string.h>

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

void spool_add(struct spool *spool, const struct page *page)
{
    size_t mark_bytes = page->mark_count * sizeof(struct mark);
    struct spooled *copy = xmalloc(sizeof(*copy) + mark_bytes + page->text.bytes);
    *copy = (struct spooled){.page = *page};
    if (mark_bytes)
        memcpy(copy->bytes, page->marks, mark_bytes);
    if (page->text.bytes)
        memcpy(copy->bytes + mark_bytes, page->text.start, page->text.bytes);
    void *marks = copy->bytes; /* aligned: behind a struct of pointers */
    copy->page.marks = marks;
    copy->page.text.start = copy->bytes + mark_bytes;
    list_push_back(&spool->pages, &copy->node);
    spool->text_bytes += page->text.bytes;
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
