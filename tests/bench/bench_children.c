/* What a sandboxed child of its own costs a document: the same tiny PDFs through the service and
 * read in this process, by the same reader. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "extract/document.h"
#include "extract/extract.h"
#include "tests/contract/pdf_writer.h"
#include "worker/base/memory.h"

#define DOCUMENTS 2000
#define AT_ONCE 8

struct figures {
    double wall_us, cpu_us; /* of a document */
};

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double cpu_us(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* ---- in this process ------------------------------------------------------------------------- */

static struct reader *open_or_die(struct text pdf)
{
    struct error err;
    struct wire_job job = {.page_text_bytes_max = 2 << 20, .text_bytes_max = 64 << 20};
    struct reader *reader = document_open(pdf, &job, &err);
    if (!reader) {
        fprintf(stderr, "%s\n", err.message);
        _exit(1);
    }
    return reader;
}

static void read_here(struct text pdf)
{
    struct reader_block block;
    struct error err;
    uint32_t progress;
    struct reader *reader = open_or_die(pdf);
    reader_block_init(&block, 2 << 20, &progress);
    for (uint32_t page = 1; page <= reader->page_count; page += WIRE_BLOCK_PAGES) {
        reader_block_begin(&block, page, reader->page_count);
        if (!reader->read(reader, &block, &err))
            fprintf(stderr, "%s\n", err.message);
        reader_block_end(&block);
    }
    reader_block_release(&block);
    reader->close(reader);
}

static struct figures measure_here(struct text pdf)
{
    struct reader *kept_open = open_or_die(pdf); /* as the helper does */
    double wall = now_us(), cpu = cpu_us(RUSAGE_SELF);
    for (int i = 0; i < DOCUMENTS; i++)
        read_here(pdf);
    kept_open->close(kept_open);
    return (struct figures){(now_us() - wall) / DOCUMENTS, (cpu_us(RUSAGE_SELF) - cpu) / DOCUMENTS};
}

/* ---- through the service --------------------------------------------------------------------- */

static struct extract *extract;
static struct loop *loop;
static int submitted, done;
static uint64_t peaks[DOCUMENTS];
static bool is_closed;

struct document {
    struct extract_request request;
    struct text pdf;
};

static void submit(struct document *document);

static void on_pages(struct extract_request *request, const struct page *pages, size_t count)
{
    (void)pages;
    (void)count;
    extract_credit(extract, request, 64 << 10);
}

static void on_done(struct extract_request *request, const struct extract_summary *summary,
                    const struct error *err)
{
    struct document *document = container_of(request, struct document, request);
    if (err)
        fprintf(stderr, "%s\n", err->message);
    peaks[done++] = summary ? summary->peak_bytes : 0;
    close(request->body_fd);
    submit(document);
}

static void submit(struct document *document)
{
    if (submitted == DOCUMENTS)
        return;
    submitted++;
    int body = memfd_create("body", MFD_CLOEXEC);
    if (write(body, document->pdf.start, document->pdf.bytes) != (ssize_t)document->pdf.bytes)
        _exit(1);
    document->request = (struct extract_request){.body_fd = body,
                                                 .body_bytes = document->pdf.bytes,
                                                 .limits = extract_limits_default(),
                                                 .on_pages = on_pages,
                                                 .on_done = on_done};
    extract_submit(extract, &document->request);
}

static void on_closed(void *arg)
{
    (void)arg;
    is_closed = true;
}

static struct figures measure_service(struct text pdf)
{
    static struct document documents[AT_ONCE];
    struct error err;
    double cpu_helper = cpu_us(RUSAGE_CHILDREN);
    loop = loop_new(&err);
    extract = extract_open(loop, &(struct extract_options){.slots_max = 2}, &err);
    if (!extract) {
        fprintf(stderr, "%s\n", err.message);
        _exit(1);
    }
    submitted = done = 0;
    is_closed = false;
    double wall = now_us(), cpu = cpu_us(RUSAGE_SELF);
    for (int i = 0; i < AT_ONCE; i++) {
        documents[i].pdf = pdf;
        submit(&documents[i]);
    }
    while (done < DOCUMENTS)
        loop_run_once(loop, 1000);
    wall = now_us() - wall;
    cpu = cpu_us(RUSAGE_SELF) - cpu;
    extract_close(extract, on_closed, NULL);
    while (!is_closed)
        loop_run_once(loop, 1000);
    loop_free(loop);
    printf("    of it the worker's own CPU time: %.0f us\n", cpu / DOCUMENTS);
    cpu += cpu_us(RUSAGE_CHILDREN) - cpu_helper;
    return (struct figures){wall / DOCUMENTS, cpu / DOCUMENTS};
}

/* ---- the report ------------------------------------------------------------------------------ */

static int compare_u64(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return first < second ? -1 : first > second;
}

static void measure(unsigned page_count)
{
    struct pdf_writer writer;
    pdf_writer_begin(&writer);
    for (unsigned page = 0; page < page_count; page++)
        pdf_writer_text_page(&writer, 40);
    struct text pdf = pdf_writer_end(&writer);
    printf("%u page(s):\n", page_count);
    struct figures service = measure_service(pdf), here = measure_here(pdf);
    qsort(peaks, DOCUMENTS, sizeof(*peaks), compare_u64);
    printf("    in this process: %5.0f us of CPU, %5.0f us\n", here.cpu_us, here.wall_us);
    printf("    by a child each: %5.0f us of CPU, %5.0f us with two at a time\n", service.cpu_us,
           service.wall_us);
    printf("    so a child costs %5.0f us of CPU; largest of 99 %% of them: %.1f MB\n",
           service.cpu_us - here.cpu_us, (double)peaks[DOCUMENTS * 99 / 100] / 1e6);
    pdf_writer_release(&writer);
}

int main(int argc, char **argv)
{
    uint64_t pages;
    if (argc > 1 && text_parse_u64(text_from(argv[1]), &pages))
        measure((unsigned)pages);
    else
        for (unsigned count = 1; count <= 16; count += 15)
            measure(count);
    return 0;
}
