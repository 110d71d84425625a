#include "extract/merge.h"

#include <string.h>

#include "worker/base/memory.h"

struct kept_page {
    struct list_node node;
    struct page page;
    struct mark marks[]; /* then the text and the label */
};

static struct kept_page *copy_of(const struct page *page)
{
    size_t marks_bytes = page->mark_count * sizeof(struct mark);
    struct kept_page *kept =
        xmalloc(sizeof(*kept) + marks_bytes + page->text.bytes + page->label.bytes);
    char *text = (char *)(kept->marks + page->mark_count), *label = text + page->text.bytes;
    kept->node = (struct list_node){0};
    kept->page = *page;
    if (page->mark_count)
        memcpy(kept->marks, page->marks, marks_bytes);
    if (page->text.bytes)
        memcpy(text, page->text.start, page->text.bytes);
    if (page->label.bytes)
        memcpy(label, page->label.start, page->label.bytes);
    kept->page.marks = kept->marks;
    kept->page.text.start = text;
    kept->page.label.start = label;
    return kept;
}

static void drop_all(struct list *pages)
{
    for (struct list_node *node; (node = list_pop_front(pages));)
        xfree(container_of(node, struct kept_page, node));
}

void merge_init(struct merge *merge)
{
    *merge = (struct merge){.page_next = 1};
    list_init(&merge->kept);
    list_init(&merge->given);
}

void merge_release(struct merge *merge)
{
    drop_all(&merge->kept);
    drop_all(&merge->given);
}

/* Looks from the end: nearly always the page comes behind all others. */
void merge_put(struct merge *merge, const struct page *page)
{
    struct kept_page *kept = copy_of(page);
    struct list_node *head = &merge->kept.head, *before = head->previous;
    assert(page->number >= merge->page_next);
    while (before != head &&
           container_of(before, struct kept_page, node)->page.number > page->number)
        before = before->previous;
    list_insert_before(&merge->kept, before->next, &kept->node);
    merge->kept_bytes += page->text.bytes;
}

size_t merge_take(struct merge *merge, int64_t *credit, struct page *pages, size_t pages_max)
{
    size_t count = 0;
    drop_all(&merge->given);
    while (count < pages_max && *credit > 0) {
        struct list_node *node = list_first(&merge->kept);
        struct kept_page *first = node ? container_of(node, struct kept_page, node) : NULL;
        if (!first || first->page.number != merge->page_next)
            break;
        list_remove(&merge->kept, node);
        list_push_back(&merge->given, node);
        pages[count++] = first->page;
        *credit -= (int64_t)first->page.text.bytes;
        merge->kept_bytes -= first->page.text.bytes;
        merge->page_next++;
    }
    return count;
}
