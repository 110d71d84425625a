/*
 * Prints the pages of a PDF, a form feed behind each, as they are at one stage of being read:
 *
 *     quality_pages drawn FILE [PAGES_MAX]    as poppler orders the lines
 *     quality_pages ordered FILE [PAGES_MAX]  in reading order, nothing else changed
 *     quality_pages read FILE [PAGES_MAX]     as the worker gets them
 *
 * "ordered" ends with status 3 when a page lost or gained a character on its way. poppler runs in
 * this process: the caller sees to limits.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "extract/pdf_private.h"

#define STATUS_LOST 3
#define PAGE_TEXT_BYTES_MAX ((size_t)2 << 20)

static struct text map_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0)
        return TEXT_NONE;
    void *body = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return body == MAP_FAILED ? TEXT_NONE : (struct text){body, (size_t)status.st_size};
}

/* ---- stages ---------------------------------------------------------------------------------- */

static void print_lines(const struct layout_page *page)
{
    for (size_t i = 0; i < page->line_count; i++) {
        struct text line = layout_line_text(page, &page->lines[i]);
        printf("%.*s\n", TEXT_ARGS(line));
    }
    putchar('\f');
}

static bool is_seen(const char *at)
{
    return *at != ' ' && *at != '\n' && *at != '\t';
}

static void count_chars(struct text text, size_t counts[256], size_t step)
{
    for (size_t i = 0; i < text.bytes; i++)
        if (is_seen(text.start + i))
            counts[(uint8_t)text.start[i]] += step;
}

/* Every byte of the text is in exactly one line, but for marks of direction around nothing. */
static bool has_all_chars(const struct layout_page *page)
{
    size_t counts[256] = {0}, left = 0;
    count_chars(buffer_text(&page->text), counts, 1);
    for (size_t i = 0; i < page->line_count; i++)
        count_chars(layout_line_text(page, &page->lines[i]), counts, (size_t)-1);
    for (size_t i = 0; i < 256; i++)
        left += counts[i] && i != 0xe2 && i != 0x80 && (i < 0xaa || i > 0xae);
    return left == 0;
}

static int print_drawn(struct reader *pdf, uint32_t page_count, bool is_ordered)
{
    int status = 0;
    for (uint32_t number = 1; number <= page_count; number++) {
        struct layout_page page;
        if (!pdf_page_read(pdf, number, PAGE_TEXT_BYTES_MAX, &page))
            return 1;
        if (is_ordered)
            layout_order(&page);
        if (!has_all_chars(&page))
            status = STATUS_LOST;
        print_lines(&page);
        layout_release(&page);
    }
    return status;
}

static int print_read(struct reader *pdf, uint32_t page_count)
{
    static struct reader_block block;
    uint32_t progress;
    struct error err;
    reader_block_init(&block, PAGE_TEXT_BYTES_MAX, &progress);
    for (uint32_t number = 1; number <= page_count; number += WIRE_BLOCK_PAGES) {
        reader_block_begin(&block, number, pdf->page_count);
        if (!pdf->read(pdf, &block, &err))
            return 1;
        reader_block_end(&block);
        for (uint32_t i = 0; i < WIRE_BLOCK_PAGES && number + i <= page_count; i++)
            printf("%.*s\f", TEXT_ARGS(block.pages[i].text));
    }
    reader_block_release(&block);
    return 0;
}

int main(int argc, char **argv)
{
    struct error err;
    uint64_t pages_max = UINT32_MAX;
    if (argc < 3 || (argc > 3 && !text_parse_u64(text_from(argv[3]), &pages_max))) {
        fprintf(stderr, "usage: quality_pages drawn|ordered|read FILE [PAGES_MAX]\n");
        return 2;
    }
    struct reader *pdf = pdf_open(map_file(argv[2]), &err);
    if (!pdf)
        return 1;
    uint32_t count = pdf->page_count < pages_max ? pdf->page_count : (uint32_t)pages_max;
    struct text stage = text_from(argv[1]);
    int status = text_equal(stage, TEXT("read"))
                     ? print_read(pdf, count)
                     : print_drawn(pdf, count, text_equal(stage, TEXT("ordered")));
    pdf->close(pdf);
    return status;
}
