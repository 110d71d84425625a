/*
 * The signer against AWS's own examples (inline, from the S3 user guide "Authenticating Requests:
 * Using the Authorization Header") and against the public suite of awslabs/aws-c-auth
 * (TEST_CORPUS).
 *
 * The suite's files were stored without duplicates, so a case may lack any of them except
 * header-signed-request.txt: that one holds the request with the headers the signer adds.
 */
#include <dirent.h>
#include <unistd.h>

#include "tests/unit/test.h"
#include "worker/base/memory.h"
#include "worker/base/sigv4.h"

#define SUITE_DATE_MS 1440938160000u /* 2015-08-30T12:36:00Z */
#define GUIDE_DATE_MS 1369353600000u /* 2013-05-24T00:00:00Z */

static void assert_signature(const struct sigv4_request *request, struct text secret,
                             const char *expected)
{
    struct aws_key key = {TEXT("AKIAIOSFODNN7EXAMPLE"), secret, TEXT_NONE};
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    assert_true(sigv4_authorization(request, &key, &out));
    size_t at = 0;
    assert_true(text_find(buffer_text(&out), TEXT("Signature="), &at));
    assert_text(text_slice(buffer_text(&out), at + 10, out.bytes), expected);
}

static void assert_guide(const struct sigv4_request *request, const char *expected)
{
    struct sigv4_request whole = *request;
    whole.region = TEXT("us-east-1");
    whole.service = TEXT("s3");
    whole.wall_ms = GUIDE_DATE_MS;
    assert_signature(&whole, TEXT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), expected);
}

static void test_sigv4__signs_the_guides_get_object(void **state)
{
    (void)state;
    const struct http_header headers[] = {
        {TEXT("Host"), TEXT("examplebucket.s3.amazonaws.com")},
        {TEXT("Range"), TEXT("bytes=0-9")},
        {TEXT("x-amz-content-sha256"), SIGV4_EMPTY_PAYLOAD},
        {TEXT("x-amz-date"), TEXT("20130524T000000Z")},
    };
    assert_guide(&(struct sigv4_request){.method = TEXT("GET"),
                                         .path = TEXT("/test.txt"),
                                         .headers = headers,
                                         .header_count = COUNT_OF(headers),
                                         .payload_hash = SIGV4_EMPTY_PAYLOAD},
                 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void test_sigv4__signs_the_guides_put_object(void **state)
{
    (void)state;
    struct text hash = TEXT("44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
    const struct http_header headers[] = {
        {TEXT("Date"), TEXT("Fri, 24 May 2013 00:00:00 GMT")},
        {TEXT("Host"), TEXT("examplebucket.s3.amazonaws.com")},
        {TEXT("x-amz-content-sha256"), hash},
        {TEXT("x-amz-date"), TEXT("20130524T000000Z")},
        {TEXT("x-amz-storage-class"), TEXT("REDUCED_REDUNDANCY")},
    };
    AUTO_BUFFER struct buffer path = buffer_new(64);
    sigv4_encode(&path, TEXT("/test$file.text"), '/');
    assert_guide(&(struct sigv4_request){.method = TEXT("PUT"),
                                         .path = buffer_text(&path),
                                         .headers = headers,
                                         .header_count = COUNT_OF(headers),
                                         .payload_hash = hash},
                 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void test_sigv4__signs_the_guides_bucket_requests(void **state)
{
    (void)state;
    const struct http_header headers[] = {
        {TEXT("Host"), TEXT("examplebucket.s3.amazonaws.com")},
        {TEXT("x-amz-content-sha256"), SIGV4_EMPTY_PAYLOAD},
        {TEXT("x-amz-date"), TEXT("20130524T000000Z")},
    };
    struct sigv4_request request = {.method = TEXT("GET"),
                                    .path = TEXT("/"),
                                    .query = TEXT("lifecycle"),
                                    .headers = headers,
                                    .header_count = COUNT_OF(headers),
                                    .payload_hash = SIGV4_EMPTY_PAYLOAD};
    assert_guide(&request, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    request.query = TEXT("prefix=J&max-keys=2");
    assert_guide(&request, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void test_sigv4__encodes_everything_but_the_unreserved(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer out = buffer_new(256);
    sigv4_encode(&out, TEXT("a/b c+d(e)!'*~_-.=@:,%2F\xc3\xa9\x7f"), '/');
    assert_text(buffer_text(&out), "a/b%20c%2Bd%28e%29%21%27%2A~_-.%3D%40%3A%2C%252F%C3%A9%7F");
}

static void test_sigv4__refuses_more_headers_than_it_can_sort(void **state)
{
    (void)state;
    struct http_header headers[SIGV4_HEADERS_MAX + 1];
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        headers[i] = (struct http_header){TEXT("x"), TEXT("y")};
    struct sigv4_request request = {.method = TEXT("GET"),
                                    .path = TEXT("/"),
                                    .headers = headers,
                                    .header_count = COUNT_OF(headers)};
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    assert_false(sigv4_canonical(&request, &out));
}

/* ---- the public suite ------------------------------------------------------------------------ */

struct suite_case {
    char *signed_request; /* the file; everything below points into it */
    struct sigv4_request request;
    struct http_header headers[SIGV4_HEADERS_MAX];
    struct text authorization, token;
};

static const char *corpus(void)
{
    static char path[1024];
    const char *given = getenv("TEST_CORPUS"), *source = getenv("TEST_SOURCE_DIR");
    if (given)
        return given;
    assert_true(text_format(path, sizeof(path), "%s/../shared/corpus", source ? source : "."));
    return path;
}

static char *read_file(const char *folder, const char *name, size_t *ret_bytes)
{
    char path[2048];
    assert_true(text_format(path, sizeof(path), "%s/aws-sigv4/%s/%s", corpus(), folder, name));
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *content = xcalloc(1, 65536);
    *ret_bytes = fread(content, 1, 65535, file);
    fclose(file);
    return content;
}

/* A header line and the folded ones after it. */
static struct text take_header(struct text *rest)
{
    struct text line = text_cut(*rest, '\n', rest);
    while (line.bytes && rest->bytes && rest->start[0] == ' ') {
        struct text more = text_cut(*rest, '\n', rest);
        line.bytes = (size_t)(more.start + more.bytes - line.start);
    }
    return line;
}

static void take_headers(struct suite_case *suite_case, struct text *rest)
{
    struct sigv4_request *request = &suite_case->request;
    for (struct text line; (line = take_header(rest)).bytes;) {
        struct text value, name = text_cut(line, ':', &value);
        if (text_equal_nocase(name, TEXT("Authorization"))) {
            suite_case->authorization = value;
            continue;
        }
        if (text_equal_nocase(name, TEXT("X-Amz-Security-Token")))
            suite_case->token = value;
        suite_case->headers[request->header_count++] = (struct http_header){name, value};
    }
}

/* A token that was sent without being signed is the signer's user's choice, not the signer's. */
static void drop_unsigned_token(struct suite_case *suite_case)
{
    size_t at;
    if (text_find(suite_case->authorization, TEXT("x-amz-security-token"), &at))
        return;
    struct sigv4_request *request = &suite_case->request;
    for (size_t i = 0; i < request->header_count; i++)
        if (text_equal_nocase(request->headers[i].name, TEXT("X-Amz-Security-Token")))
            suite_case->headers[i] = suite_case->headers[--request->header_count];
}

static void read_case(const char *folder, struct suite_case *ret_case, char ret_hash[65])
{
    size_t bytes;
    memset(ret_case, 0, sizeof(*ret_case));
    ret_case->signed_request = read_file(folder, "header-signed-request.txt", &bytes);
    assert_non_null(ret_case->signed_request);
    struct text rest = {ret_case->signed_request, bytes}, target;
    struct text line = text_cut(rest, '\n', &rest);
    struct sigv4_request *request = &ret_case->request;
    request->method = text_cut(line, ' ', &target);
    assert_true(text_ends_with(target, TEXT(" HTTP/1.1")));
    target.bytes -= 9; /* the target may hold spaces */
    request->path = text_cut(target, '?', &request->query);
    request->headers = ret_case->headers;
    take_headers(ret_case, &rest);
    drop_unsigned_token(ret_case);
    uint8_t hash[SHA256_BYTES];
    size_t at;
    bool has_hash = text_find(ret_case->authorization, TEXT("x-amz-content-sha256"), &at);
    sha256_of(has_hash ? rest : TEXT_NONE, hash);
    hex_format(hash, sizeof(hash), ret_hash);
    request->payload_hash = text_from(ret_hash);
    request->region = TEXT("us-east-1");
    request->service = TEXT("service");
    request->wall_ms = SUITE_DATE_MS;
    request->path_rule = text_ends_with(text_from(folder), TEXT("-unnormalized"))
                             ? SIGV4_PATH_ENCODED
                             : SIGV4_PATH_NORMALIZED;
}

static void check_canonical(const char *folder, const struct sigv4_request *request)
{
    size_t bytes;
    char *expected = read_file(folder, "header-canonical-request.txt", &bytes);
    if (!expected)
        return;
    AUTO_BUFFER struct buffer out = buffer_new(65536);
    assert_true(sigv4_canonical(request, &out));
    assert_string_equal(buffer_string(&out), expected);
    xfree(expected);
}

static void check_case(const char *folder)
{
    struct suite_case suite_case;
    char hash[65];
    read_case(folder, &suite_case, hash);
    check_canonical(folder, &suite_case.request);
    struct aws_key key = {TEXT("AKIDEXAMPLE"), TEXT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                          suite_case.token};
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    assert_true(sigv4_authorization(&suite_case.request, &key, &out));
    if (!text_equal(buffer_text(&out), suite_case.authorization))
        print_error("in %s\n", folder);
    assert_int_equal(out.bytes, suite_case.authorization.bytes);
    assert_memory_equal(out.data, suite_case.authorization.start, out.bytes);
    xfree(suite_case.signed_request);
}

static void test_sigv4__passes_the_public_suite(void **state)
{
    (void)state;
    char path[2048];
    assert_true(text_format(path, sizeof(path), "%s/aws-sigv4", corpus()));
    DIR *folder = opendir(path);
    if (!folder) {
        print_message("SKIPPED: no %s (TEST_CORPUS names the folder of public test data)\n", path);
        skip();
    }
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.') {
            check_case(entry->d_name);
            count++;
        }
    closedir(folder);
    assert_true(count >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sigv4__signs_the_guides_get_object),
        cmocka_unit_test(test_sigv4__signs_the_guides_put_object),
        cmocka_unit_test(test_sigv4__signs_the_guides_bucket_requests),
        cmocka_unit_test(test_sigv4__encodes_everything_but_the_unreserved),
        cmocka_unit_test(test_sigv4__refuses_more_headers_than_it_can_sort),
        cmocka_unit_test(test_sigv4__passes_the_public_suite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
