/* Megabytes a second from canonical text to chunks with exact counts, beside the recursive splitter
 * and equal portions of tokens in the same run, in processor time of one core; and the memory of
 * each byte of the window. bench_chunker [CORPUS] */
#include <stdio.h>
#include <stdlib.h>

#include "chunker/tokens.h"
#include "tests/bench/cpu.h"
#include "tests/bench/splitters.h"
#include "tests/whole_file.h"

#define TEXT_BYTES_MIN ((size_t)8 << 20) /* the corpus again and again */
#define ROUNDS 3
#define PAGE_BYTES 3000
#define FLOOR_MB_S 60.0
#define FLOOR_MEMORY 12.0

/* All of a text as a document of ordinary pages; the chunks are looked at and forgotten. */
static size_t chunk_all(struct text text, size_t *ret_memory_bytes, bool is_sealed)
{
    struct chunker *chunker = chunker_new(chunker_options_default(), TEXT("A title"));
    struct arena arena = arena_new((size_t)1 << 20);
    struct page page = {0};
    struct chunk chunk;
    struct error err;
    size_t count = 0;
    while (text.bytes || page.number == 0 || !chunker_is_dry(chunker)) {
        bool is_end = page.number > 0 && text.bytes == 0;
        page.number++;
        page.text = text_utf8_prefix(text, PAGE_BYTES);
        text = text_slice(text, page.text.bytes, text.bytes);
        if (!chunker_add(chunker, is_end ? NULL : &page, &err))
            abort();
        while (chunker_next(chunker, &arena, &chunk, &err)) {
            if (is_sealed)
                chunk_seal(&chunk);
            if (++count % 64 == 0)
                arena_release(&arena);
        }
        size_t bytes = chunker_memory_bytes(chunker);
        *ret_memory_bytes = bytes > *ret_memory_bytes ? bytes : *ret_memory_bytes;
    }
    arena_release(&arena);
    chunker_free(chunker);
    return count;
}

enum way { COUNT_ALONE, OURS, OURS_SEALED, FIXED, RECURSIVE };
static const char *const NAMES[] = {"counting alone", "ours", "ours, hashed", "fixed 400",
                                    "recursive 400"};

static double megabytes_per_second(enum way way, struct text text, size_t *ret_count,
                                   size_t *ret_memory_bytes)
{
    double best = 1e9;
    for (int i = 0; i < (way == RECURSIVE ? 1 : ROUNDS); i++) {
        struct splits splits = {0};
        double start = cpu_seconds();
        if (way == COUNT_ALONE)
            *ret_count = tokens_count(text);
        else if (way == FIXED)
            split_fixed(text, 400, 0, &splits);
        else if (way == RECURSIVE)
            split_recursive(text, 400, 0, &splits);
        else
            *ret_count = chunk_all(text, ret_memory_bytes, way == OURS_SEALED);
        double seconds = cpu_seconds() - start;
        best = seconds < best ? seconds : best;
        if (splits.count)
            *ret_count = splits.count;
        splits_release(&splits);
    }
    return (double)text.bytes / 1e6 / best;
}

static bool measure(const char *title, struct text text)
{
    bool is_good = true;
    double speeds[COUNT_OF(NAMES)];
    printf("%s, %.1f MB\n", title, (double)text.bytes / 1e6);
    for (size_t way = 0; way < COUNT_OF(NAMES); way++) {
        size_t count = 0, memory_bytes = 0;
        speeds[way] = megabytes_per_second((enum way)way, text, &count, &memory_bytes);
        printf("  %-16s %8.1f MB/s %9zu %s", NAMES[way], speeds[way], count,
               way == COUNT_ALONE ? "tokens" : "chunks");
        if (memory_bytes)
            printf("  %.1f KiB held", (double)memory_bytes / 1024);
        printf("\n");
    }
    printf("  ours is %.1f times as fast as the recursive splitter\n",
           speeds[OURS] / speeds[RECURSIVE]);
    if (speeds[OURS] < FLOOR_MB_S) {
        printf("  MISSED: %.0f MB/s\n", FLOOR_MB_S);
        is_good = false;
    }
    return is_good;
}

/* One page without an end: the window is as full as it gets. */
static bool measure_memory(struct text text)
{
    struct splits splits = {0};
    split_ours(text, chunker_options_default(), &splits);
    double each = (double)splits.chunker_bytes / (double)CHUNKER_WINDOW_BYTES;
    printf(
        "a page of %.1f MB: the chunker holds at most %.1f MB, %.2f bytes for each of its window\n",
        (double)text.bytes / 1e6, (double)splits.chunker_bytes / 1e6, each);
    splits_release(&splits);
    if (each > FLOOR_MEMORY)
        printf("  MISSED: %.0f bytes\n", FLOOR_MEMORY);
    return each <= FLOOR_MEMORY;
}

int main(int argc, char **argv)
{
    static const char *const TEXTS[] = {"chatlogs", "finance", "pubmed", "state_of_the_union",
                                        "wikitexts"};
    const char *corpus = argc > 1 ? argv[1] : getenv("TEST_CORPUS");
    struct buffer text = buffer_new((size_t)64 << 20);
    char path[1024];
    corpus = corpus ? corpus : "../shared/corpus";
    while (text.bytes < TEXT_BYTES_MIN)
        for (size_t i = 0; i < COUNT_OF(TEXTS); i++) {
            (void)text_format(path, sizeof(path), "%s/chunking/chroma/corpora/%s.md", corpus,
                              TEXTS[i]);
            if (!whole_file_read(path, &text)) {
                printf("SKIPPED: %s is not there\n", path);
                return 0;
            }
        }
    bool is_good = measure("English", buffer_text(&text));
    is_good &= measure_memory(buffer_text(&text));
    buffer_release(&text);
    return is_good ? 0 : 1;
}
