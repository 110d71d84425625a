/* Reads one PDF again and again with nothing but poppler-glib, from memory, as a program does that
 * knows how (all text of a page, one document kept open).
 *
 *     poppler_plain ROUNDS FILE
 *
 * A line for each round: pages, milliseconds by the clock, milliseconds of processor time. */
#include <poppler.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static PopplerDocument *open_document(const char *data, size_t bytes)
{
    GBytes *body = g_bytes_new_static(data, bytes);
    PopplerDocument *document = poppler_document_new_from_bytes(body, NULL, NULL);
    g_bytes_unref(body);
    return document;
}

static int read_once(const char *data, size_t bytes)
{
    PopplerRectangle whole = {-1e5, -1e5, 1e5, 1e5};
    PopplerDocument *document = open_document(data, bytes);
    int page_count = document ? poppler_document_get_n_pages(document) : 0;
    for (int i = 0; i < page_count; i++) {
        PopplerPage *page = poppler_document_get_page(document, i);
        g_free(poppler_page_get_text_for_area(page, &whole));
        g_object_unref(page);
    }
    g_clear_object(&document);
    return page_count;
}

int main(int argc, char **argv)
{
    char *data;
    size_t bytes;
    if (argc != 3 || !g_file_get_contents(argv[2], &data, &bytes, NULL))
        return 2;
    PopplerDocument *kept_open = open_document(data, bytes);
    for (unsigned long rounds = strtoul(argv[1], NULL, 10); rounds; rounds--) {
        double start_ms = clock_ms(CLOCK_MONOTONIC), used_ms = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
        int page_count = read_once(data, bytes);
        printf("%d %.3f %.3f\n", page_count, clock_ms(CLOCK_MONOTONIC) - start_ms,
               clock_ms(CLOCK_PROCESS_CPUTIME_ID) - used_ms);
    }
    g_clear_object(&kept_open);
    g_free(data);
    return 0;
}
