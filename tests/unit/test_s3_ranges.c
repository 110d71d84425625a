/*
 * Large objects in parts, against a loopback server that holds one object of 100 bytes and gives
 * parts of it, out of order, wrongly or not at all.
 */
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "queue/s3_private.h"
#include "tests/unit/scripted_server.h"
#include "tests/unit/test.h"
#include "worker/base/crc.h"
#include "worker/base/memory.h"

#define BYTES 100

enum mood {
    GIVES_PARTS,
    GIVES_THE_WHOLE,     /* knows no Range */
    GIVES_OTHER_PARTS,   /* one byte aside */
    IS_OVERWRITTEN,      /* once, between the look and the parts */
    IS_OVERWRITTEN_EVER, /* with every look */
    STUMBLES,            /* every third request ends in 500 */
    REFUSES_PARTS,
    LIES, /* bytes that are not what the checksum says, in parts */
};

struct bench {
    struct loop *loop;
    struct s3 *s3;
    struct scripted_server server;
    char content[BYTES];
    enum mood mood;
    atomic_uint looks, parts, wholes;
    bool is_closed;
};

static struct bench bench;

static void answer(int fd, const char *head, const char *body, size_t bytes)
{
    char start[512];
    (void)text_format(start, sizeof(start), "HTTP/1.1 %s\r\nConnection: close\r\n\r\n", head);
    if (send(fd, start, strlen(start), MSG_NOSIGNAL) > 0 && bytes)
        (void)!send(fd, body, bytes, MSG_NOSIGNAL);
}

/* The version grows with every look, for whoever is overwritten. */
static unsigned version(void)
{
    if (bench.mood == IS_OVERWRITTEN)
        return bench.parts > 0;
    return bench.mood == IS_OVERWRITTEN_EVER ? bench.parts : 0;
}

static void answer_look(int fd)
{
    char head[256], sum[9];
    uint32_t crc = crc32_of((struct text){bench.content, BYTES});
    uint8_t digest[4] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
                         (uint8_t)crc};
    base64_encode((struct text){(char *)digest, 4}, sum);
    sum[8] = '\0';
    (void)text_format(head, sizeof(head),
                      "200 OK\r\nETag: \"v%u\"\r\nContent-Length: %d\r\n"
                      "x-amz-checksum-crc32: %s",
                      version(), BYTES, sum);
    bench.looks++;
    answer(fd, head, NULL, 0);
}

static void answer_part(int fd, const char *request, unsigned from, unsigned to)
{
    char head[256], etag[32], content[BYTES];
    unsigned number = bench.parts++;
    (void)text_format(etag, sizeof(etag), "\"v%u\"", version());
    memcpy(content, bench.content, BYTES);
    if (bench.mood == LIES)
        content[from] ^= 1;
    if (bench.mood == REFUSES_PARTS) {
        answer(fd, "403 Forbidden", "<Error><Code>AccessDenied</Code></Error>", 40);
    } else if (bench.mood == STUMBLES && number < 15 && number % 3 == 0) {
        answer(fd, "500 Oops", "<Error><Code>InternalError</Code></Error>", 41);
    } else if (!strstr(request, etag)) {
        answer(fd, "412 Failed", "<Error><Code>PreconditionFailed</Code></Error>", 46);
    } else {
        unsigned aside = bench.mood == GIVES_OTHER_PARTS;
        (void)text_format(head, sizeof(head),
                          "206 Partial\r\nContent-Range: bytes %u-%u/%d\r\nContent-Length: %u",
                          from + aside, to + aside, BYTES, to - from + 1);
        answer(fd, head, content + from, to - from + 1);
    }
}

/* False: no range is asked for. */
static bool parse_range(const char *request, uint64_t *ret_from, uint64_t *ret_to)
{
    size_t at;
    struct text rest = text_from(request), name = TEXT("Range: bytes=");
    if (!text_find(rest, name, &at))
        return false;
    rest = text_slice(rest, at + name.bytes, rest.bytes);
    return text_parse_u64(text_cut(rest, '-', &rest), ret_from) &&
           text_parse_u64(text_cut(rest, '\r', &rest), ret_to);
}

static void answer_any(int fd, const char *request)
{
    uint64_t from, to;
    if (strncmp(request, "HEAD", 4) == 0) {
        answer_look(fd);
    } else if (bench.mood != GIVES_THE_WHOLE && parse_range(request, &from, &to)) {
        answer_part(fd, request, (unsigned)from, (unsigned)to);
    } else {
        bench.wholes++;
        answer(fd, "200 OK\r\nETag: \"v0\"\r\nContent-Length: 100", bench.content, BYTES);
    }
}

static void start(enum mood mood)
{
    struct error err;
    memset(&bench, 0, sizeof(bench));
    bench.mood = mood;
    for (size_t i = 0; i < BYTES; i++)
        bench.content[i] = (char)('!' + i % 90);
    scripted_server_start_with(&bench.server, answer_any);
    bench.loop = loop_new(&err);
    struct objects_options options = {.endpoint = text_from(bench.server.url),
                                      .bytes_max = 1000,
                                      .timeout_ms = 20000,
                                      .connections_max = 8};
    bench.s3 = s3_open(bench.loop, &options, &err);
    assert_non_null(bench.s3);
    bench.s3->ranges_from_bytes = 50;
    bench.s3->range_bytes = 7; /* 15 parts, the last of 2 bytes */
}

static void on_closed(void *arg)
{
    (void)arg;
    bench.is_closed = true;
}

static void stop(void)
{
    s3_close(bench.s3, on_closed, NULL);
    while (!bench.is_closed)
        loop_run_once(bench.loop, 1000);
    loop_free(bench.loop);
    scripted_server_stop(&bench.server);
}

struct call {
    struct object_request request;
    struct error err;
    bool is_done, has_failed;
};

static void on_done(struct object_request *request, const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    take_answer(call, err);
}

static void send_get(struct call *call)
{
    *call = (struct call){.request = {.verb = OBJECT_GET,
                                      .bucket = TEXT("docs"),
                                      .key = TEXT("users/x/a.pdf"),
                                      .size_hint = 51,
                                      .body_fd = -1,
                                      .on_done = on_done}};
    s3_send(bench.s3, &call->request);
    assert_false(call->is_done);
}

static void wait_for(struct call *call)
{
    while (!call->is_done)
        loop_run_once(bench.loop, 1000);
}

static void assert_whole(void)
{
    struct call call;
    char body[BYTES + 1];
    send_get(&call);
    wait_for(&call);
    if (call.has_failed)
        fail_msg("%s", call.err.message);
    assert_int_equal(call.request.body_bytes, BYTES);
    assert_int_equal(pread(call.request.body_fd, body, sizeof(body), 0), BYTES);
    assert_memory_equal(body, bench.content, BYTES);
    assert_int_equal(write(call.request.body_fd, "x", 1), -1); /* sealed */
    close(call.request.body_fd);
}

static void assert_failure(enum error_code code)
{
    struct call call;
    send_get(&call);
    wait_for(&call);
    assert_true(call.has_failed);
    if (call.err.code != code)
        fail_msg("%s: %s", error_name(call.err.code), call.err.message);
    assert_int_equal(call.request.body_fd, -1);
}

static void test_s3_ranges__puts_the_parts_together(void **state)
{
    (void)state;
    start(GIVES_PARTS);
    assert_whole();
    assert_int_equal(bench.looks, 1);
    assert_int_equal(bench.parts, 15);
    assert_int_equal(bench.wholes, 0);
    stop();
}

static void test_s3_ranges__takes_the_whole_from_who_gives_no_parts(void **state)
{
    (void)state;
    start(GIVES_THE_WHOLE);
    assert_whole();
    stop();
}

static void test_s3_ranges__takes_no_part_that_was_not_asked_for(void **state)
{
    (void)state;
    start(GIVES_OTHER_PARTS);
    assert_whole();
    assert_int_equal(bench.wholes, 1);
    stop();
}

static void test_s3_ranges__begins_again_with_the_newer_version(void **state)
{
    (void)state;
    start(IS_OVERWRITTEN);
    assert_whole();
    assert_int_equal(bench.looks, 2);
    stop();
}

static void test_s3_ranges__leaves_an_object_that_somebody_keeps_writing(void **state)
{
    (void)state;
    start(IS_OVERWRITTEN_EVER);
    assert_failure(ERR_NOT_YET);
    stop();
}

static void test_s3_ranges__asks_for_a_part_again(void **state)
{
    (void)state;
    start(STUMBLES);
    assert_whole();
    assert_true(bench.parts > 15);
    stop();
}

static void test_s3_ranges__a_refused_part_is_a_refusal(void **state)
{
    (void)state;
    start(REFUSES_PARTS);
    assert_failure(ERR_DENIED);
    stop();
}

static void test_s3_ranges__checks_the_whole_and_then_takes_it_in_one(void **state)
{
    (void)state;
    start(LIES);
    assert_whole();
    assert_int_equal(bench.wholes, 1);
    stop();
}

static void test_s3_ranges__refuses_by_the_look_what_is_too_large(void **state)
{
    (void)state;
    start(GIVES_PARTS);
    bench.s3->bytes_max = 99;
    assert_failure(ERR_TOO_LARGE);
    assert_int_equal(bench.parts, 0);
    stop();
}

static void test_s3_ranges__is_cancelled_at_any_time(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 40; turns += 3) {
        struct call call;
        start(turns % 2 ? STUMBLES : GIVES_PARTS);
        send_get(&call);
        for (unsigned i = 0; i < turns && !call.is_done; i++)
            loop_run_once(bench.loop, 1);
        if (!call.is_done) {
            s3_cancel(bench.s3, &call.request);
            assert_false(call.is_done);
            wait_for(&call);
            assert_int_equal(call.err.code, ERR_CANCELLED);
            assert_int_equal(call.request.body_fd, -1);
        } else {
            close(call.request.body_fd);
        }
        stop();
    }
}

static void test_s3_ranges__are_answered_when_the_bucket_closes(void **state)
{
    (void)state;
    struct call call;
    start(GIVES_PARTS);
    send_get(&call);
    while (!bench.parts)
        loop_run_once(bench.loop, 1);
    stop();
    assert_true(call.is_done);
    if (call.has_failed)
        assert_int_equal(call.err.code, ERR_SHUTDOWN);
    else
        close(call.request.body_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s3_ranges__puts_the_parts_together),
        cmocka_unit_test(test_s3_ranges__takes_the_whole_from_who_gives_no_parts),
        cmocka_unit_test(test_s3_ranges__takes_no_part_that_was_not_asked_for),
        cmocka_unit_test(test_s3_ranges__begins_again_with_the_newer_version),
        cmocka_unit_test(test_s3_ranges__leaves_an_object_that_somebody_keeps_writing),
        cmocka_unit_test(test_s3_ranges__asks_for_a_part_again),
        cmocka_unit_test(test_s3_ranges__a_refused_part_is_a_refusal),
        cmocka_unit_test(test_s3_ranges__checks_the_whole_and_then_takes_it_in_one),
        cmocka_unit_test(test_s3_ranges__refuses_by_the_look_what_is_too_large),
        cmocka_unit_test(test_s3_ranges__is_cancelled_at_any_time),
        cmocka_unit_test(test_s3_ranges__are_answered_when_the_bucket_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
