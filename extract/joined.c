#include "extract/joined.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A second mapping of the pages at body, put at start. Only a shared mapping, as ours of a memfd,
 * can be had twice; when it cannot, nothing may be left at start. */
static bool map_again(struct text body, size_t bytes, char *start)
{
    return bytes && mremap((void *)(uintptr_t)body.start, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
                           start) == start;
}

static char *reserve(size_t bytes)
{
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return start == MAP_FAILED ? NULL : start;
}

bool joined_map(struct text body, size_t tail_bytes_max, struct joined *ret_joined)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), bytes = body.bytes + tail_bytes_max;
    size_t mapped_bytes = (bytes / page_bytes + 1) * page_bytes;
    size_t whole_pages = body.bytes / page_bytes * page_bytes;
    bool is_at_page = (uintptr_t)body.start % page_bytes == 0;
    char *start = reserve(mapped_bytes);
    if (!start)
        return false;
    if (!is_at_page || !map_again(body, whole_pages, start)) {
        munmap(start, mapped_bytes);
        start = reserve(mapped_bytes);
        whole_pages = 0;
        if (!start)
            return false;
    }
    memcpy(start + whole_pages, body.start + whole_pages, body.bytes - whole_pages);
    *ret_joined = (struct joined){
        .body = body,
        .shared_bytes = whole_pages,
        .mapped = {start, mapped_bytes},
        .tail = {.data = start + body.bytes,
                 .allocated_bytes = tail_bytes_max + 1, /* so that it never moves */
                 .bytes_max = tail_bytes_max},
    };
    return true;
}

struct text joined_text(const struct joined *joined)
{
    /* What was looked at there counts as ours once more, and can be read as before. */
    if (joined->shared_bytes)
        (void)madvise((void *)(uintptr_t)joined->body.start, joined->shared_bytes, MADV_DONTNEED);
    return (struct text){joined->mapped.start, joined->body.bytes + joined->tail.bytes};
}

void joined_forget(const struct joined *joined)
{
    if (joined->shared_bytes)
        (void)madvise((void *)(uintptr_t)joined->mapped.start, joined->shared_bytes, MADV_DONTNEED);
}

void joined_unmap(struct joined *joined)
{
    if (joined->mapped.bytes)
        munmap((void *)(uintptr_t)joined->mapped.start, joined->mapped.bytes);
    *joined = (struct joined){0};
}
