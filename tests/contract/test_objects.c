/*
 * object.h against a directory, and against a real S3 server where TEST_S3_ENDPOINT, _KEY, _SECRET
 * and _BUCKET name one (tests/services/serve.py minio). The same tests for both, then what only one
 * of them has.
 */
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/object.h"
#include "queue/s3_private.h"
#include "tests/unit/test.h"
#include "worker/base/memory.h"

#define BYTES_MAX ((uint64_t)8 * 1024 * 1024)
#define MANY 1050

struct call {
    struct object_request request;
    struct error err;
    bool is_done, has_failed;
    size_t entry_count, page_count, pages_max;
    bool has_seen[MANY];
    char last_key[256];
};

struct bench {
    bool is_s3;
    char root[64];
    char endpoint[128], bucket[64];
    struct loop *loop;
    struct objects *objects;
    struct tenant tenant;
    bool is_closed;
};

static struct bench bench;

static const char *test_env(const char *name)
{
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0)
        return getenv("TEST_S3_KEY");
    if (strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0)
        return getenv("TEST_S3_SECRET");
    return NULL;
}

static struct objects_options options(void)
{
    return (struct objects_options){.endpoint = text_from(bench.endpoint),
                                    .region = text_from(getenv("TEST_S3_REGION")),
                                    .bytes_max = BYTES_MAX,
                                    .timeout_ms = 30000,
                                    .connections_max = 8,
                                    .getenv = test_env};
}

static void open_objects(const struct objects_options *given)
{
    struct error err;
    bench.is_closed = false;
    bench.objects = objects_open(bench.loop, given, &err);
    if (!bench.objects)
        fail_msg("%s", err.message);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void close_objects(void)
{
    objects_close(bench.objects, on_closed, &bench.is_closed);
    while (!bench.is_closed)
        loop_run_once(bench.loop, 1000);
    bench.objects = NULL;
}

static int with_objects(void **state)
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
    given = options();
    open_objects(&given);
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static int close_all(void **state)
{
    (void)state;
    if (bench.objects)
        close_objects();
    loop_free(bench.loop);
    if (!bench.is_s3)
        nftw(bench.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static void on_done(struct object_request *request, const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    assert_false(call->is_done);
    call->is_done = true;
    call->has_failed = err != NULL;
    if (err)
        call->err = *err;
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

/* The key of a name below the tenant's prefix; a few may be in use at a time. */
static struct text key_of(const char *name)
{
    static char keys[8][512];
    static unsigned next;
    char *key = keys[next++ % 8];
    assert_true(text_format(key, sizeof(keys[0]), "%s%s", bench.tenant.prefix, name));
    return text_from(key);
}

static void send(struct call *call, enum object_verb verb, struct text key)
{
    call->request.verb = verb;
    call->request.bucket = text_from(bench.bucket);
    call->request.key = key;
    call->request.tenant = verb == OBJECT_LIST ? NULL : &bench.tenant;
    call->request.on_done = on_done;
    call->request.on_entries = on_entries;
    call->pages_max = call->pages_max ? call->pages_max : SIZE_MAX;
    objects_send(bench.objects, &call->request);
    assert_false(call->is_done);
}

static void wait_for(struct call *call)
{
    while (!call->is_done)
        loop_run_once(bench.loop, 1000);
}

static void run(struct call *call, enum object_verb verb, struct text key)
{
    send(call, verb, key);
    wait_for(call);
}

static void assert_ok(const struct call *call)
{
    if (call->has_failed)
        fail_msg("%s: %s", error_name(call->err.code), call->err.message);
}

static void assert_failed(const struct call *call, enum error_code code)
{
    assert_true(call->has_failed);
    if (call->err.code != code)
        fail_msg("%s, not %s: %s", error_name(call->err.code), error_name(code), call->err.message);
    assert_int_equal(call->request.body_fd, -1);
}

static int file_with(const char *content, size_t bytes)
{
    int fd = memfd_create("upload", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, bytes), bytes);
    return fd;
}

static void put(struct text key, const char *content, char ret_etag[ETAG_BYTES_MAX])
{
    struct call call = {.request.put_bytes = strlen(content)};
    AUTO_FD int fd = file_with(content, strlen(content));
    call.request.put_fd = fd;
    run(&call, OBJECT_PUT, key);
    assert_ok(&call);
    assert_string_not_equal(call.request.etag, "");
    if (ret_etag)
        strcpy(ret_etag, call.request.etag);
}

static void assert_body(const struct call *call, const char *expected)
{
    char body[4096] = {0};
    assert_true(call->request.body_fd >= 0);
    assert_int_equal(call->request.body_bytes, strlen(expected));
    assert_int_equal(pread(call->request.body_fd, body, sizeof(body) - 1, 0), strlen(expected));
    assert_string_equal(body, expected);
}

/* ---- both ------------------------------------------------------------------------------------ */

static void test_objects__get_gives_the_bytes_that_were_put_sealed(void **state)
{
    (void)state;
    char etag[ETAG_BYTES_MAX];
    put(key_of("a/b.pdf"), "content", etag);
    struct call call = {0};
    run(&call, OBJECT_GET, key_of("a/b.pdf"));
    assert_ok(&call);
    assert_body(&call, "content");
    assert_string_equal(call.request.etag, etag);
    assert_true(call.request.modified_ms > 1700000000000u);
    assert_int_equal(fcntl(call.request.body_fd, F_GET_SEALS),
                     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL |
                         (fcntl(call.request.body_fd, F_GET_SEALS) & 0x20 /* F_SEAL_EXEC */));
    assert_int_equal(pwrite(call.request.body_fd, "x", 1, 0), -1);
    close(call.request.body_fd);
}

static void test_objects__a_conditional_get_brings_only_what_is_new(void **state)
{
    (void)state;
    char etag[ETAG_BYTES_MAX], changed[ETAG_BYTES_MAX];
    put(key_of("a.pdf"), "one", etag);
    struct call call = {.request.if_none_match = text_from(etag)};
    run(&call, OBJECT_GET, key_of("a.pdf"));
    assert_ok(&call);
    assert_true(call.request.is_unchanged);
    assert_true(call.request.modified_ms > 1700000000000u);
    assert_int_equal(call.request.body_fd, -1);

    put(key_of("a.pdf"), "two", changed);
    assert_string_not_equal(etag, changed);
    call = (struct call){.request.if_none_match = text_from(etag)};
    run(&call, OBJECT_GET, key_of("a.pdf"));
    assert_ok(&call);
    assert_false(call.request.is_unchanged);
    assert_body(&call, "two");
    close(call.request.body_fd);
}

static void test_objects__head_tells_without_bringing(void **state)
{
    (void)state;
    char etag[ETAG_BYTES_MAX];
    put(key_of("a.pdf"), "12345", etag);
    struct call call = {0};
    run(&call, OBJECT_HEAD, key_of("a.pdf"));
    assert_ok(&call);
    assert_string_equal(call.request.etag, etag);
    assert_int_equal(call.request.body_bytes, 5);
    assert_int_equal(call.request.body_fd, -1);
}

static void test_objects__what_is_not_there_is_gone(void **state)
{
    (void)state;
    struct call get = {0}, head = {0};
    run(&get, OBJECT_GET, key_of("missing.pdf"));
    run(&head, OBJECT_HEAD, key_of("missing.pdf"));
    assert_failed(&get, ERR_GONE);
    assert_failed(&head, ERR_GONE);
}

static void test_objects__an_empty_object_is_an_object(void **state)
{
    (void)state;
    put(key_of("empty.pdf"), "", NULL);
    struct call call = {0};
    run(&call, OBJECT_GET, key_of("empty.pdf"));
    assert_ok(&call);
    assert_body(&call, "");
    close(call.request.body_fd);
}

static void test_objects__a_body_over_the_cap_is_refused(void **state)
{
    (void)state;
    put(key_of("a.pdf"), "0123456789", NULL);
    close_objects();
    struct objects_options small = options();
    small.bytes_max = 9;
    open_objects(&small);
    struct call call = {0};
    run(&call, OBJECT_GET, key_of("a.pdf"));
    assert_failed(&call, ERR_TOO_LARGE);
    close_objects();
    small.bytes_max = 10;
    open_objects(&small);
    call = (struct call){0};
    run(&call, OBJECT_GET, key_of("a.pdf"));
    assert_ok(&call);
    close(call.request.body_fd);
}

static void test_objects__a_large_body_survives_and_put_moves_no_offset(void **state)
{
    (void)state;
    size_t bytes = 5 * 1024 * 1024 + 17;
    AUTO_FREE char *content = xmalloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        content[i] = (char)(i * 2654435761u >> 13);
    AUTO_FD int fd = file_with(content, bytes);
    assert_int_equal(lseek(fd, 7, SEEK_SET), 7);
    struct call up = {.request.put_fd = fd, .request.put_bytes = bytes}, down = {0};
    run(&up, OBJECT_PUT, key_of("large.pdf"));
    assert_ok(&up);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 7);
    run(&down, OBJECT_GET, key_of("large.pdf"));
    assert_ok(&down);
    assert_int_equal(down.request.body_bytes, bytes);
    void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, down.request.body_fd, 0);
    assert_true(map != MAP_FAILED);
    assert_memory_equal(map, content, bytes);
    munmap(map, bytes);
    close(down.request.body_fd);
}

static void test_objects__odd_names_are_names(void **state)
{
    (void)state;
    const char *names[] = {"a b+c.pdf",          "gr\303\266\303\237e.pdf",
                           "(a)!*'~$&,;=:@.pdf", "100%25 #1?.pdf",
                           "a\"<>|^`{}\\.pdf",   "\xe6\xb0\xb4\xe8\xbb\x8a/x.pdf"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        put(key_of(names[i]), names[i], NULL);
        struct call get = {0}, list = {0};
        run(&get, OBJECT_GET, key_of(names[i]));
        assert_ok(&get);
        assert_body(&get, names[i]);
        close(get.request.body_fd);
        run(&list, OBJECT_LIST, key_of(names[i]));
        assert_ok(&list);
        assert_int_equal(list.entry_count, 1);
        assert_text(key_of(names[i]), list.last_key);
    }
}

static void put_many(void)
{
    struct call *calls = xcalloc(MANY, sizeof(*calls));
    AUTO_FD int fd = file_with("x", 1);
    static char keys[MANY][128];
    for (size_t i = 0; i < MANY; i++) {
        assert_true(
            text_format(keys[i], sizeof(keys[i]), "%smany/%zu.pdf", bench.tenant.prefix, i));
        calls[i].request.put_fd = fd;
        calls[i].request.put_bytes = 1;
        send(&calls[i], OBJECT_PUT, text_from(keys[i]));
    }
    for (size_t i = 0; i < MANY; i++) {
        wait_for(&calls[i]);
        assert_ok(&calls[i]);
    }
    xfree(calls);
}

static void test_objects__a_list_goes_through_all_its_pages(void **state)
{
    (void)state;
    put(key_of("many.pdf"), "not below the prefix", NULL);
    put_many();
    struct call all = {0}, first = {.pages_max = 1}, none = {0}, some = {0};
    run(&all, OBJECT_LIST, key_of("many/"));
    assert_ok(&all);
    assert_int_equal(all.entry_count, MANY);
    assert_int_equal(all.page_count, 2);
    for (size_t i = 0; i < MANY; i++)
        assert_true(all.has_seen[i]);
    run(&first, OBJECT_LIST, key_of("many/"));
    assert_ok(&first);
    assert_int_equal(first.entry_count, 1000);
    run(&none, OBJECT_LIST, key_of("nothing/here"));
    assert_ok(&none);
    assert_int_equal(none.entry_count, 0);
    run(&some, OBJECT_LIST, key_of("many/104")); /* 104 and 1040 .. 1049 */
    assert_int_equal(some.entry_count, 11);
}

static void test_objects__a_cancelled_request_is_answered(void **state)
{
    (void)state;
    put(key_of("a.pdf"), "x", NULL);
    struct call call = {0};
    send(&call, OBJECT_GET, key_of("a.pdf"));
    objects_cancel(bench.objects, &call.request);
    assert_false(call.is_done);
    wait_for(&call);
    assert_failed(&call, ERR_CANCELLED);
    struct call later = {0};
    send(&later, OBJECT_GET, key_of("a.pdf"));
    loop_run_once(bench.loop, 0); /* now it is on its way */
    if (!later.is_done) {
        objects_cancel(bench.objects, &later.request);
        wait_for(&later);
        assert_failed(&later, ERR_CANCELLED);
    }
}

static void test_objects__closing_answers_what_is_on_its_way(void **state)
{
    (void)state;
    put(key_of("a.pdf"), "x", NULL);
    struct call calls[3] = {0};
    send(&calls[0], OBJECT_GET, key_of("a.pdf"));
    loop_run_once(bench.loop, 0);
    send(&calls[1], OBJECT_HEAD, key_of("a.pdf"));
    send(&calls[2], OBJECT_LIST, key_of(""));
    close_objects();
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        assert_true(calls[i].is_done);
        if (i || calls[i].has_failed)
            assert_failed(&calls[i], ERR_SHUTDOWN);
        else
            close(calls[i].request.body_fd);
    }
}

/* ---- file:// --------------------------------------------------------------------------------- */

static const char *in_root(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    assert_true(text_format(path, sizeof(paths[0]), "%s/%s", bench.root, name));
    return path;
}

static void write_file(const char *name, const char *content)
{
    int fd = open(in_root(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(in_root(name), 0755), 0);
}

static void test_objects__no_link_leads_out_of_the_root(void **state)
{
    (void)state;
    char folder[256], link_path[512];
    put(key_of("a/real.pdf"), "x", NULL);
    assert_true(text_format(folder, sizeof(folder), "%sa", bench.tenant.prefix));
    assert_true(text_format(link_path, sizeof(link_path), "%s/passwd.pdf", in_root(folder)));
    assert_int_equal(symlink("/etc/passwd", link_path), 0);
    assert_true(text_format(link_path, sizeof(link_path), "%s/etc", in_root(folder)));
    assert_int_equal(symlink("/etc", link_path), 0);
    const char *names[] = {"a/passwd.pdf", "a/etc/passwd", "a"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct call call = {0};
        run(&call, OBJECT_GET, key_of(names[i]));
        assert_failed(&call, ERR_GONE);
    }
    AUTO_FD int fd = file_with("x", 1);
    struct call call = {.request.put_fd = fd, .request.put_bytes = 1};
    run(&call, OBJECT_PUT, key_of("a/etc/evil.pdf"));
    assert_true(call.has_failed);
    struct call list = {0};
    run(&list, OBJECT_LIST, key_of(""));
    assert_int_equal(list.entry_count, 1);
}

static void test_objects__writing_the_same_bytes_is_a_new_version(void **state)
{
    (void)state;
    char first[ETAG_BYTES_MAX], second[ETAG_BYTES_MAX];
    put(key_of("a.pdf"), "same", first);
    put(key_of("a.pdf"), "same", second);
    assert_string_not_equal(first, second);
}

static void open_shared(struct tenant *ret_other)
{
    close_objects();
    struct objects_options shared = options();
    shared.shared_prefix = text_from(bench.tenant.prefix);
    open_objects(&shared);
    *ret_other = tenant_from_user_id(uuid_v4());
}

static void test_objects__the_shared_prefix_stands_for_the_root(void **state)
{
    (void)state;
    struct tenant other;
    open_shared(&other);
    make_folder("users");
    char folder[64], path[128];
    assert_true(text_format(folder, sizeof(folder), "%.42s", other.prefix));
    make_folder(folder);
    assert_true(text_format(path, sizeof(path), "%sx.pdf", other.prefix));
    write_file(path, "of another");
    make_folder("sub");
    write_file("sub/a.pdf", "shared");
    write_file("users/odd.pdf", "shared too");

    struct call get = {0}, odd = {0}, foreign = {0}, list = {0}, all = {0};
    run(&get, OBJECT_GET, key_of("sub/a.pdf"));
    assert_ok(&get);
    assert_body(&get, "shared");
    close(get.request.body_fd);
    run(&odd, OBJECT_GET, key_of("users/odd.pdf"));
    assert_ok(&odd);
    close(odd.request.body_fd);
    run(&foreign, OBJECT_GET, key_of(path)); /* users/<demo>/users/<other>/x.pdf */
    assert_failed(&foreign, ERR_GONE);
    run(&list, OBJECT_LIST, key_of(""));
    assert_ok(&list);
    assert_int_equal(list.entry_count, 2);
    run(&all, OBJECT_LIST, TEXT_NONE);
    assert_int_equal(all.entry_count, 3);
    struct call below = {0};
    run(&below, OBJECT_LIST, key_of("sub/"));
    assert_int_equal(below.entry_count, 1);
}

static void test_objects__a_real_key_goes_before_a_shared_one(void **state)
{
    (void)state;
    struct tenant other;
    put(key_of("a.pdf"), "real", NULL);
    open_shared(&other);
    write_file("a.pdf", "shared");
    struct call get = {0}, list = {0};
    run(&get, OBJECT_GET, key_of("a.pdf"));
    assert_ok(&get);
    assert_body(&get, "real");
    close(get.request.body_fd);
    run(&list, OBJECT_LIST, key_of(""));
    assert_int_equal(list.entry_count, 1);
}

static void test_objects__a_wrong_root_is_a_wrong_setting(void **state)
{
    (void)state;
    const char *endpoints[] = {"file:///does/not/exist", "file://relative", "file://"};
    for (size_t i = 0; i < COUNT_OF(endpoints); i++) {
        struct error err;
        struct objects_options wrong = options();
        wrong.endpoint = text_from(endpoints[i]);
        assert_null(objects_open(bench.loop, &wrong, &err));
        assert_int_equal(err.code, ERR_CONFIG);
    }
}

/* ---- S3 -------------------------------------------------------------------------------------- */

static const char *wrong_env(const char *name)
{
    return strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0 ? "wrong" : test_env(name);
}

static void test_objects__refused_credentials_are_never_gone(void **state)
{
    (void)state;
    close_objects();
    struct objects_options wrong = options();
    wrong.getenv = wrong_env;
    open_objects(&wrong);
    struct call get = {0}, head = {0};
    run(&get, OBJECT_GET, key_of("missing.pdf"));
    assert_failed(&get, ERR_DENIED);
    run(&head, OBJECT_HEAD, key_of("missing.pdf"));
    assert_failed(&head, ERR_DENIED);
    close_objects();
    wrong.getenv = NULL; /* anonymous */
    open_objects(&wrong);
    get = (struct call){0};
    run(&get, OBJECT_GET, key_of("missing.pdf"));
    assert_failed(&get, ERR_DENIED);
}

static void test_objects__a_missing_bucket_is_not_a_missing_object(void **state)
{
    (void)state;
    strcpy(bench.bucket, "no-such-bucket");
    struct call get = {0}, head = {0}, list = {0};
    run(&get, OBJECT_GET, key_of("a.pdf"));
    assert_failed(&get, ERR_UNAVAILABLE);
    assert_non_null(strstr(get.err.message, "no-such-bucket"));
    run(&head, OBJECT_HEAD, key_of("a.pdf"));
    assert_failed(&head, ERR_UNAVAILABLE);
    run(&list, OBJECT_LIST, key_of(""));
    assert_failed(&list, ERR_UNAVAILABLE);
}

static void run_s3(struct s3 *s3, struct call *call, enum object_verb verb)
{
    call->request.verb = verb;
    call->request.bucket = text_from(bench.bucket);
    call->request.key = key_of("a.pdf");
    call->request.on_done = on_done;
    call->request.body_fd = -1;
    s3_send(s3, &call->request);
    wait_for(call);
}

static void test_objects__a_wrong_clock_is_corrected(void **state)
{
    (void)state;
    put(key_of("a.pdf"), "x", NULL);
    const enum object_verb verbs[] = {OBJECT_GET, OBJECT_HEAD};
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        struct error err;
        struct objects_options given = options();
        struct s3 *s3 = s3_open(bench.loop, &given, &err);
        assert_non_null(s3);
        s3->skew_ms = -3 * 3600 * 1000;
        struct call call = {0};
        run_s3(s3, &call, verbs[i]);
        assert_ok(&call);
        assert_in_range(s3->skew_ms + 60000, 0, 120000);
        if (call.request.body_fd >= 0)
            close(call.request.body_fd);
        bool is_closed = false;
        s3_close(s3, on_closed, &is_closed);
        while (!is_closed)
            loop_run_once(bench.loop, 1000);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, with_objects, close_all)
#define BOTH                                                               \
    WITH(test_objects__get_gives_the_bytes_that_were_put_sealed),          \
        WITH(test_objects__a_conditional_get_brings_only_what_is_new),     \
        WITH(test_objects__head_tells_without_bringing),                   \
        WITH(test_objects__what_is_not_there_is_gone),                     \
        WITH(test_objects__an_empty_object_is_an_object),                  \
        WITH(test_objects__a_body_over_the_cap_is_refused),                \
        WITH(test_objects__a_large_body_survives_and_put_moves_no_offset), \
        WITH(test_objects__odd_names_are_names),                           \
        WITH(test_objects__a_list_goes_through_all_its_pages),             \
        WITH(test_objects__a_cancelled_request_is_answered),               \
        WITH(test_objects__closing_answers_what_is_on_its_way)

int main(void)
{
    const struct CMUnitTest on_files[] = {
        BOTH,
        WITH(test_objects__no_link_leads_out_of_the_root),
        WITH(test_objects__writing_the_same_bytes_is_a_new_version),
        WITH(test_objects__the_shared_prefix_stands_for_the_root),
        WITH(test_objects__a_real_key_goes_before_a_shared_one),
        WITH(test_objects__a_wrong_root_is_a_wrong_setting),
    };
    const struct CMUnitTest on_s3[] = {
        BOTH,
        WITH(test_objects__refused_credentials_are_never_gone),
        WITH(test_objects__a_missing_bucket_is_not_a_missing_object),
        WITH(test_objects__a_wrong_clock_is_corrected),
    };
    int failed = cmocka_run_group_tests_name("file://", on_files, NULL, NULL);
    if (!getenv("TEST_S3_ENDPOINT")) {
        print_message("S3 is tested where TEST_S3_ENDPOINT names a server\n");
        return failed;
    }
    bench.is_s3 = true;
    return failed + cmocka_run_group_tests_name("S3", on_s3, NULL, NULL);
}
