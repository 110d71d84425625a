/* Reads the text of all pages of the files named, with poppler-glib alone and one process per core:
 * what the whole of Millrace is measured against. Prints pages and seconds. */
#include <poppler.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long read_file(const char *path)
{
    GError *error = NULL;
    char *absolute = realpath(path, NULL);
    char *uri = absolute ? g_filename_to_uri(absolute, NULL, NULL) : NULL;
    PopplerDocument *document = uri ? poppler_document_new_from_file(uri, NULL, &error) : NULL;
    free(absolute);
    g_free(uri);
    if (!document) {
        fprintf(stderr, "%s: %s\n", path, error ? error->message : "cannot be opened");
        g_clear_error(&error);
        return 0;
    }
    int pages = poppler_document_get_n_pages(document);
    for (int i = 0; i < pages; i++) {
        PopplerPage *page = poppler_document_get_page(document, i);
        g_free(poppler_page_get_text(page));
        g_object_unref(page);
    }
    g_object_unref(document);
    return pages;
}

int main(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    /* Shared between the processes: the next file, and the pages so far. */
    long *shared =
        mmap(NULL, 2 * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    double start = now_s();
    for (long core = 0; core < cores; core++) {
        if (fork() != 0)
            continue;
        for (long file; (file = __atomic_add_fetch(&shared[0], 1, __ATOMIC_SEQ_CST)) < argc;)
            __atomic_add_fetch(&shared[1], read_file(argv[file]), __ATOMIC_SEQ_CST);
        _exit(0);
    }
    while (wait(NULL) > 0)
        ;
    printf("%ld %.3f\n", shared[1], now_s() - start);
    return 0;
}
