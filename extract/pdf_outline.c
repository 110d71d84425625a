#include "extract/pdf_outline.h"

#include <poppler.h>

#include "extract/clean.h"
#include "extract/pdf_private.h"

/* Items without a title are looked at as well, and an item may be found on many ways. */
#define STEPS_MAX (4 * PDF_OUTLINE_ITEMS_MAX)
#define TITLES_BYTES_MAX (1 << 20)

/* ---- an item --------------------------------------------------------------------------------- */

static uint32_t page_of_dest(PopplerDocument *document, const PopplerDest *dest)
{
    int page = dest->page_num;
    if (dest->type == POPPLER_DEST_NAMED) {
        PopplerDest *found = poppler_document_find_dest(document, dest->named_dest);
        page = found ? found->page_num : 0;
        poppler_dest_free(found);
    }
    return page > 0 && page <= poppler_document_get_n_pages(document) ? (uint32_t)page : 0;
}

static uint32_t page_of(PopplerDocument *document, const PopplerAction *action)
{
    bool is_here = action->type == POPPLER_ACTION_GOTO_DEST && action->goto_dest.dest;
    return is_here ? page_of_dest(document, action->goto_dest.dest) : 0;
}

/* False: there is no room for more. */
static bool add_item(struct pdf_outline *outline, PopplerDocument *document, PopplerIndexIter *at,
                     uint32_t depth)
{
    PopplerAction *action = poppler_index_iter_get_action(at);
    size_t start = outline->titles.bytes;
    bool has_room = true;
    if (clean_line(text_from(action->any.title), PDF_OUTLINE_TITLE_BYTES_MAX, &outline->titles) &&
        outline->titles.bytes > start) {
        struct pdf_outline_item item = {.page = page_of(document, action), .depth = depth};
        item.title.bytes = outline->titles.bytes - start; /* where it starts is known at the end */
        has_room = buffer_append(&outline->memory, &item, sizeof(item));
        outline->item_count += has_room;
    }
    poppler_action_free(action);
    return has_room && !outline->titles.is_full;
}

/* ---- the tree -------------------------------------------------------------------------------- */

struct walk {
    PopplerIndexIter *path[PDF_OUTLINE_DEPTH_MAX]; /* the item at each level, not added yet */
    uint32_t depth;                                /* of these, 0: the end */
};

static void step_up(struct walk *walk)
{
    poppler_index_iter_free(walk->path[--walk->depth]);
}

/* From an item to the first one below it, or to the next one. */
static void step(struct walk *walk)
{
    PopplerIndexIter *child = NULL;
    if (walk->depth < PDF_OUTLINE_DEPTH_MAX)
        child = poppler_index_iter_get_child(walk->path[walk->depth - 1]);
    if (child) {
        walk->path[walk->depth++] = child;
        return;
    }
    while (walk->depth && !poppler_index_iter_next(walk->path[walk->depth - 1]))
        step_up(walk);
}

static void set_titles(struct pdf_outline *outline)
{
    const char *title = outline->titles.data;
    outline->items = (struct pdf_outline_item *)(void *)outline->memory.data;
    for (size_t i = 0; i < outline->item_count; i++) {
        outline->items[i].title.start = title;
        title += outline->items[i].title.bytes;
    }
}

/* ---- public ---------------------------------------------------------------------------------- */

struct pdf_outline pdf_outline_read(const struct reader *pdf)
{
    struct pdf_outline outline = {
        .memory = buffer_new(PDF_OUTLINE_ITEMS_MAX * sizeof(struct pdf_outline_item)),
        .titles = buffer_new(TITLES_BYTES_MAX)};
    PopplerDocument *document = pdf_document(pdf);
    struct walk walk = {.path[0] = poppler_index_iter_new(document)};
    walk.depth = walk.path[0] != NULL;
    for (size_t steps = 0; walk.depth && steps < STEPS_MAX; steps++) {
        if (!add_item(&outline, document, walk.path[walk.depth - 1], walk.depth))
            break;
        step(&walk);
    }
    while (walk.depth)
        step_up(&walk);
    set_titles(&outline);
    return outline;
}

void pdf_outline_release(struct pdf_outline *outline)
{
    buffer_release(&outline->memory);
    buffer_release(&outline->titles);
    *outline = (struct pdf_outline){0};
}
