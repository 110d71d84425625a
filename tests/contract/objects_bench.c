#include "tests/contract/objects_bench.h"

#include <ftw.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/base/memory.h"

#define BYTES_MAX ((uint64_t)8 * 1024 * 1024)

struct bench bench;

const char *bench_env(const char *name)
{
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0)
        return getenv("TEST_S3_KEY");
    if (strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0)
        return getenv("TEST_S3_SECRET");
    return NULL;
}

struct objects_options bench_options(void)
{
    return (struct objects_options){.endpoint = text_from(bench.endpoint),
                                    .region = text_from(getenv("TEST_S3_REGION")),
                                    .bytes_max = BYTES_MAX,
                                    .timeout_ms = 30000,
                                    .connections_max = 8,
                                    .getenv = bench_env};
}

void bench_open(const struct objects_options *given)
{
    struct error err;
    bench.is_closed = false;
    bench.objects = objects_open(bench.loop, given, &err);
    if (!bench.objects)
        fail_msg("%s", err.message);
}

void bench_on_closed(void *arg)
{
    *(bool *)arg = true;
}

void bench_close(void)
{
    objects_close(bench.objects, bench_on_closed, &bench.is_closed);
    while (!bench.is_closed)
        loop_run_once(bench.loop, 1000);
    bench.objects = NULL;
}

int bench_setup(void **state)
{
    *state = &bench;
    bench.loop = loop_new(NULL);
    bench.tenant = tenant_from_user_id(uuid_v4()); /* each test has its own prefix */
    struct objects_options given;
    if (bench.is_s3) {
        (void)text_format(bench.endpoint, sizeof(bench.endpoint), "%s", getenv("TEST_S3_ENDPOINT"));
        const char *bucket = getenv("TEST_S3_BUCKET");
        (void)text_format(bench.bucket, sizeof(bench.bucket), "%s", bucket ? bucket : "docs");
    } else {
        strcpy(bench.root, "/tmp/millrace-objects-XXXXXX");
        if (!mkdtemp(bench.root))
            return 1;
        (void)text_format(bench.endpoint, sizeof(bench.endpoint), "file://%s", bench.root);
        strcpy(bench.bucket, "docs");
    }
    given = bench_options();
    bench_open(&given);
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

int bench_teardown(void **state)
{
    (void)state;
    if (bench.objects)
        bench_close();
    loop_free(bench.loop);
    if (!bench.is_s3)
        nftw(bench.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

void call_on_done(struct object_request *request, const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    take_answer(call, err);
}

static bool on_entries(struct object_request *request, const struct object_entry *entries,
                       size_t count)
{
    struct call *call = container_of(request, struct call, request);
    call->page_count++;
    for (size_t i = 0; i < count; i++) {
        uint64_t number;
        struct text name = text_slice(entries[i].key, request->key.bytes, entries[i].key.bytes);
        assert_true(text_starts_with(entries[i].key, request->key));
        assert_true(entries[i].etag.bytes && entries[i].modified_ms);
        if (text_parse_u64(text_cut(name, '.', &name), &number) && number < MANY)
            call->has_seen[number] = true;
        (void)text_format(call->last_key, sizeof(call->last_key), "%.*s",
                          TEXT_ARGS(entries[i].key));
    }
    call->entry_count += count;
    return call->page_count < call->pages_max;
}

struct text key_of(const char *name)
{
    static char keys[8][512];
    static unsigned next;
    char *key = keys[next++ % 8];
    assert_true(text_format(key, sizeof(keys[0]), "%s%s", bench.tenant.prefix, name));
    return text_from(key);
}

void call_send(struct call *call, enum object_verb verb, struct text key)
{
    call->request.verb = verb;
    call->request.bucket = text_from(bench.bucket);
    call->request.key = key;
    call->request.tenant = verb == OBJECT_LIST ? NULL : &bench.tenant;
    call->request.on_done = call_on_done;
    call->request.on_entries = on_entries;
    call->pages_max = call->pages_max ? call->pages_max : SIZE_MAX;
    objects_send(bench.objects, &call->request);
    assert_false(call->is_done);
}

void call_wait(struct call *call)
{
    while (!call->is_done)
        loop_run_once(bench.loop, 1000);
}

void call_run(struct call *call, enum object_verb verb, struct text key)
{
    call_send(call, verb, key);
    call_wait(call);
}

void assert_ok(const struct call *call)
{
    if (call->has_failed)
        fail_msg("%s: %s", error_name(call->err.code), call->err.message);
}

void assert_failed(const struct call *call, enum error_code code)
{
    assert_true(call->has_failed);
    if (call->err.code != code)
        fail_msg("%s, not %s: %s", error_name(call->err.code), error_name(code), call->err.message);
    assert_int_equal(call->request.body_fd, -1);
}

int file_with(const char *content, size_t bytes)
{
    int fd = memfd_create("upload", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, bytes), bytes);
    return fd;
}

void put_object(struct text key, const char *content, char ret_etag[ETAG_BYTES_MAX])
{
    struct call call = {.request.put_bytes = strlen(content)};
    AUTO_FD int fd = file_with(content, strlen(content));
    call.request.put_fd = fd;
    call_run(&call, OBJECT_PUT, key);
    assert_ok(&call);
    assert_string_not_equal(call.request.etag, "");
    if (ret_etag)
        memcpy(ret_etag, call.request.etag, sizeof(call.request.etag));
}

void assert_body(const struct call *call, const char *expected)
{
    char body[4096] = {0};
    assert_true(call->request.body_fd >= 0);
    assert_int_equal(call->request.body_bytes, strlen(expected));
    assert_int_equal(pread(call->request.body_fd, body, sizeof(body) - 1, 0), strlen(expected));
    assert_string_equal(body, expected);
}
