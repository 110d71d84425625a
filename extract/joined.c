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

bool joined_map(struct text body, struct text tail, struct joined *ret_joined)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), bytes = body.bytes + tail.bytes;
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
    /* They count as ours once, and the body can be read as before. */
    if (whole_pages)
        (void)madvise((void *)(uintptr_t)body.start, whole_pages, MADV_DONTNEED);
    memcpy(start + whole_pages, body.start + whole_pages, body.bytes - whole_pages);
    memcpy(start + body.bytes, tail.start, tail.bytes);
    *ret_joined = (struct joined){{start, bytes}, mapped_bytes};
    return true;
}

void joined_unmap(struct joined *joined)
{
    if (joined->mapped_bytes)
        munmap((void *)(uintptr_t)joined->text.start, joined->mapped_bytes);
    *joined = (struct joined){0};
}
