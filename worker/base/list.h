/*
 * list.h - intrusive doubly linked lists that know their length.
 *
 * A node that is in no list has next == NULL; zeroed memory is such a node.
 * Owns:   nothing.
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_LIST_H
#define WORKER_BASE_LIST_H

#include <assert.h>

#include "worker/base/text.h"

struct list_node {
    struct list_node *next;
    struct list_node *previous;
};

struct list {
    struct list_node head; /* circular; valid after list_init() */
    size_t count;
};

static inline void list_init(struct list *list)
{
    list->head.next = list->head.previous = &list->head;
    list->count = 0;
}

static inline bool list_is_member(const struct list_node *node)
{
    return node->next != NULL;
}

static inline void list_insert_before(struct list *list, struct list_node *at,
                                      struct list_node *node)
{
    assert(!list_is_member(node));
    node->next = at;
    node->previous = at->previous;
    at->previous->next = node;
    at->previous = node;
    list->count++;
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_before(list, &list->head, node);
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_before(list, list->head.next, node);
}

static inline void list_remove(struct list *list, struct list_node *node)
{
    assert(list_is_member(node) && list->count > 0);
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = node->previous = NULL;
    list->count--;
}

static inline struct list_node *list_first(const struct list *list)
{
    return list->count ? list->head.next : NULL;
}

static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_first(list);
    if (node)
        list_remove(list, node);
    return node;
}

static inline struct list_node *list_next(const struct list *list, const struct list_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

/* The current node may be removed inside the loop. */
/* NOLINTBEGIN(bugprone-macro-parentheses): the name of a variable takes none */
#define LIST_FOR_EACH(list, node)                                 \
    for (struct list_node *node = list_first(list), *node##_next; \
         node && (node##_next = list_next(list, node), true); node = node##_next)
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
