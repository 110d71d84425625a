#include <math.h>

#include "store/pinecone_codec.h"
#include "tests/unit/test.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/base/rng.h"

enum { DIMENSION = 4, CHUNKS = 3 };
static const char USER[] = "a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11";
static const char NAMESPACE[] = "user_a1f6c2d05b7e4c1a9d3f2e8b7a640c11";
static const uint64_t GEN = 0x7b00000000000abc;

/* One document of three chunks with vectors, and the request over them. */
struct given {
    struct tenant tenant;
    struct document document;
    float vectors[CHUNKS][DIMENSION];
    float rows[CHUNKS][DIMENSION];
    struct chunk chunks[CHUNKS];
    const struct chunk *upserted[CHUNKS];
    struct chunk *fetched[CHUNKS];
    int64_t known_no[CHUNKS];
    struct vectors_match matches[5];
    struct vectors_request request;
};

static void given_init(struct given *given)
{
    static const char *const TEXTS[CHUNKS] = {"The mill grinds.", "\"quoted\" \\ and \n new",
                                              "Mühle"};
    struct uuid user;
    memset(given, 0, sizeof(*given));
    assert_true(uuid_parse(text_from(USER), &user));
    given->tenant = tenant_from_user_id(user);
    given->document = document_of(TEXT("docs"), TEXT("users/x/handbook.pdf"));
    for (uint32_t i = 0; i < CHUNKS; i++) {
        for (uint32_t at = 0; at < DIMENSION; at++)
            given->vectors[i][at] = (float)(i + 1) / (float)(at + 3);
        given->chunks[i] = (struct chunk){.no = i,
                                          .page_first = i + 1,
                                          .page_last = i + 2,
                                          .content = text_from(TEXTS[i]),
                                          .vector = given->vectors[i]};
        sha256_of(text_from(TEXTS[i]), given->chunks[i].hash);
        given->upserted[i] = given->fetched[i] = &given->chunks[i];
        given->known_no[i] = i;
    }
    given->request = (struct vectors_request){.tenant = &given->tenant,
                                              .document = &given->document,
                                              .gen = GEN,
                                              .chunks = given->upserted,
                                              .fetched = given->fetched,
                                              .chunk_count = CHUNKS,
                                              .known_no = given->known_no,
                                              .vectors = given->rows[0],
                                              .matches = given->matches,
                                              .match_max = COUNT_OF(given->matches)};
}

static void forget_vectors(struct given *given)
{
    for (size_t i = 0; i < CHUNKS; i++)
        given->chunks[i].vector = NULL;
}

static const char *id_of(const struct given *given, uint32_t no)
{
    static char id[VECTOR_ID_BYTES_MAX];
    return vector_id_format(given->document.id, GEN, no, id);
}

static const char *sha_of(const struct given *given, size_t chunk)
{
    static char sha[SHA256_BYTES * 2 + 1];
    hex_format(given->chunks[chunk].hash, SHA256_BYTES, sha);
    return sha;
}

static void test_pinecone_codec__an_upsert_is_what_the_store_documents(void **state)
{
    (void)state;
    struct given given;
    given_init(&given);
    struct buffer AUTO_BUFFER body = buffer_new(1 << 20);
    assert_int_equal(pinecone_write_upsert(&body, &given.request, DIMENSION, 0), CHUNKS);

    struct error err;
    AUTO_JSON struct json *root = json_parse(buffer_text(&body), &err);
    assert_non_null(root);
    assert_text(json_member_text(root, "namespace"), NAMESPACE);
    const struct json *vectors = json_member(root, "vectors");
    assert_int_equal(json_count(vectors), CHUNKS);
    const struct json *second = json_at(vectors, 1);
    assert_text(json_member_text(second, "id"), id_of(&given, 1));
    const struct json *values = json_member(second, "values");
    assert_int_equal(json_count(values), DIMENSION);
    for (size_t i = 0; i < DIMENSION; i++)
        assert_true((float)json_number(json_at(values, i), NAN) == given.vectors[1][i]);
    const struct json *metadata = json_member(second, "metadata");
    char document[UUID_TEXT_BYTES];
    assert_text(json_member_text(metadata, "doc"), uuid_format(given.document.id, document));
    assert_text(json_member_text(metadata, "gen"), "7b00000000000abc");
    assert_true(json_number(json_member(metadata, "n"), -1) == 1);
    assert_true(json_number(json_member(metadata, "page_first"), -1) == 2);
    assert_true(json_number(json_member(metadata, "page_last"), -1) == 3);
    assert_text(json_member_text(metadata, "sha"), sha_of(&given, 1));
    assert_text(json_member_text(metadata, "text"), "\"quoted\" \\ and \n new");
    assert_int_equal(json_count(metadata), 7);
}

static void test_pinecone_codec__upserts_are_cut_by_the_bytes_they_have(void **state)
{
    (void)state;
    enum { MANY = 120, WIDE = 3072 };
    struct given given;
    given_init(&given);
    struct rng rng = rng_seeded(1);
    float *vector = xmalloc(WIDE * sizeof(*vector));
    for (size_t i = 0; i < WIDE; i++)
        vector[i] = (float)(rng_unit(&rng) - 0.5) / 27;
    struct chunk chunks[MANY];
    const struct chunk *pointers[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        chunks[i] = given.chunks[0];
        chunks[i].no = i;
        chunks[i].vector = vector;
        pointers[i] = &chunks[i];
    }
    given.request.chunks = pointers;
    given.request.chunk_count = MANY;

    size_t from = 0, calls = 0;
    while (from < MANY) {
        struct buffer AUTO_BUFFER body = buffer_new(PINECONE_BODY_BYTES_MAX + (1 << 20));
        size_t end = pinecone_write_upsert(&body, &given.request, WIDE, from);
        assert_in_range(end, from + 1, MANY);
        assert_in_range(body.bytes, 1, PINECONE_BODY_BYTES_MAX);
        if (end < MANY) /* one more would not have fitted */
            assert_true(body.bytes + body.bytes / (end - from) > PINECONE_BODY_BYTES_MAX);
        struct error err;
        AUTO_JSON struct json *root = json_parse(buffer_text(&body), &err);
        assert_int_equal(json_count(json_member(root, "vectors")), end - from);
        from = end;
        calls++;
    }
    assert_int_equal(calls, 3);
    xfree(vector);
}

static void test_pinecone_codec__an_upsert_has_at_most_1000_records(void **state)
{
    (void)state;
    enum { MANY = 1500 };
    static const struct chunk *pointers[MANY];
    struct given given;
    given_init(&given);
    for (size_t i = 0; i < MANY; i++)
        pointers[i] = &given.chunks[0];
    given.request.chunks = pointers;
    given.request.chunk_count = MANY;
    struct buffer AUTO_BUFFER body = buffer_new(4 << 20);
    assert_int_equal(pinecone_write_upsert(&body, &given.request, DIMENSION, 0), 1000);
    buffer_clear(&body);
    assert_int_equal(pinecone_write_upsert(&body, &given.request, DIMENSION, 1000), MANY);
}

static void test_pinecone_codec__metadata_stays_below_40_kb_in_any_writers_json(void **state)
{
    (void)state;
    static char wide[90000];
    for (size_t i = 0; i + 4 <= sizeof(wide); i += 4)
        memcpy(wide + i, "\xf0\x9f\x92\xa7", 4);
    struct text cut = pinecone_text_prefix((struct text){wide, sizeof(wide)}, 36000);
    assert_int_equal(cut.bytes, 4 * 3000); /* \ud83d\udca7 each */
    assert_true(text_is_utf8(cut));
    memset(wide, 'a', sizeof(wide));
    assert_int_equal(pinecone_text_prefix((struct text){wide, sizeof(wide)}, 36000).bytes, 36000);
    memset(wide, '\n', sizeof(wide));
    assert_int_equal(pinecone_text_prefix((struct text){wide, sizeof(wide)}, 36000).bytes, 6000);
    assert_text(pinecone_text_prefix(TEXT("short ü"), 36000), "short ü");
    assert_text(pinecone_text_prefix(TEXT("aaü"), 7), "aa");
}

static void test_pinecone_codec__a_delete_names_at_most_1000_ids(void **state)
{
    (void)state;
    struct given given;
    given_init(&given);
    given.request.no_first = 2;
    given.request.no_end = 1500;
    struct buffer AUTO_BUFFER body = buffer_new(1 << 20);
    assert_int_equal(pinecone_write_delete(&body, &given.request, 2), 1002);
    struct error err;
    AUTO_JSON struct json *root = json_parse(buffer_text(&body), &err);
    const struct json *ids = json_member(root, "ids");
    assert_int_equal(json_count(ids), 1000);
    assert_text(json_text(json_at(ids, 0)), id_of(&given, 2));
    assert_text(json_text(json_at(ids, 999)), id_of(&given, 1001));
    assert_text(json_member_text(root, "namespace"), NAMESPACE);
    buffer_clear(&body);
    assert_int_equal(pinecone_write_delete(&body, &given.request, 1002), 1500);
}

static void test_pinecone_codec__a_query_asks_for_metadata_and_no_values(void **state)
{
    (void)state;
    struct given given;
    given_init(&given);
    given.request.query = given.vectors[0];
    struct buffer AUTO_BUFFER body = buffer_new(1 << 20);
    pinecone_write_query(&body, &given.request, DIMENSION);
    assert_text(buffer_text(&body),
                "{\"namespace\":\"user_a1f6c2d05b7e4c1a9d3f2e8b7a640c11\",\"topK\":5,"
                "\"includeMetadata\":true,\"includeValues\":false,"
                "\"vector\":[0.33333334,0.25,0.2,0.16666667]}");
}

static void test_pinecone_codec__a_fetch_names_only_known_chunks(void **state)
{
    (void)state;
    struct given given;
    given_init(&given);
    given.known_no[1] = -1;
    given.known_no[2] = 17;
    struct buffer AUTO_BUFFER query = buffer_new(1 << 16);
    assert_int_equal(pinecone_write_fetch(&query, &given.request, DIMENSION, 0), CHUNKS);
    char document[UUID_TEXT_BYTES], expected[512];
    uuid_format(given.document.id, document);
    (void)text_format(
        expected, sizeof(expected),
        "namespace=%s&ids=%s%%237b00000000000abc%%230&ids=%s%%237b00000000000abc%%2317", NAMESPACE,
        document, document);
    assert_text(buffer_text(&query), expected);
}

static void test_pinecone_codec__fetched_rows_are_bit_for_bit_what_was_stored(void **state)
{
    (void)state;
    struct given given;
    given_init(&given);
    forget_vectors(&given);
    given.known_no[1] = -1;
    struct buffer AUTO_BUFFER reply = buffer_new(1 << 16);
    buffer_format(&reply, "{\"namespace\":\"x\",\"vectors\":{\"%s\":", id_of(&given, 0));
    buffer_format(&reply,
                  "{\"values\":[0.3333333432674408,0.25,0.2,1.6666667e-1],\"id\":\"i\","
                  "\"metadata\":{\"text\":\"a\\\"}\",\"sha\":\"%s\"}},",
                  sha_of(&given, 0));
    buffer_format(&reply, "\"%s\":", id_of(&given, 2));
    buffer_format(&reply, "{\"metadata\":{\"sha\":\"%s\"},\"values\":[1,2,3,4]}},\"usage\":{}}",
                  sha_of(&given, 2));
    struct error err;
    assert_true(pinecone_read_vectors(buffer_text(&reply), &given.request, DIMENSION, &err));
    assert_int_equal(given.request.fetched_count, 2);
    assert_ptr_equal(given.chunks[0].vector, given.rows[0]);
    assert_memory_equal(given.rows[0], given.vectors[0], sizeof(given.rows[0]));
    assert_null(given.chunks[1].vector);
    assert_true(given.chunks[2].vector && given.rows[2][3] == 4.0f);
}

static void test_pinecone_codec__a_fetched_vector_of_another_text_is_not_used(void **state)
{
    (void)state;
    struct given given;
    given_init(&given);
    forget_vectors(&given);
    static const char *const VALUES[CHUNKS] = {"[1,2,3,4]", "[1,2,3]", "[0,0,0,0]"};
    struct buffer AUTO_BUFFER reply = buffer_new(1 << 16);
    buffer_format(&reply, "{\"vectors\":{");
    for (uint32_t i = 0; i < CHUNKS; i++) { /* another hash; another width; zero */
        buffer_format(&reply, "%s\"%s\":{\"values\":%s,", i ? "," : "", id_of(&given, i),
                      VALUES[i]);
        buffer_format(&reply, "\"metadata\":{\"sha\":\"%s\"}}", sha_of(&given, i ? i : 1));
    }
    buffer_format(&reply, "}}");
    struct error err;
    assert_true(pinecone_read_vectors(buffer_text(&reply), &given.request, DIMENSION, &err));
    assert_int_equal(given.request.fetched_count, 0);
    for (size_t i = 0; i < CHUNKS; i++)
        assert_null(given.chunks[i].vector);
}

static void test_pinecone_codec__a_cut_fetch_is_an_error(void **state)
{
    (void)state;
    struct given given;
    given_init(&given);
    forget_vectors(&given);
    struct error err;
    assert_false(pinecone_read_vectors(TEXT("{\"vectors\":{\"a\":{\"values\":[1,2"), &given.request,
                                       DIMENSION, &err));
    assert_int_equal(err.code, ERR_PROTOCOL);
    assert_false(pinecone_read_vectors(TEXT("<html>"), &given.request, DIMENSION, &err));
    assert_int_equal(err.code, ERR_PROTOCOL);
    assert_true(pinecone_read_vectors(TEXT("{\"vectors\":{}}"), &given.request, DIMENSION, &err));
}

static void test_pinecone_codec__matches_that_are_not_ours_are_left_out(void **state)
{
    (void)state;
    struct given given;
    given_init(&given);
    struct buffer AUTO_BUFFER reply = buffer_new(1 << 16);
    buffer_format(&reply,
                  "{\"matches\":[{\"id\":\"somebody else's\",\"score\":0.9},"
                  "{\"id\":\"%s\",\"score\":0.75,\"metadata\":{\"page_first\":3.0,"
                  "\"page_last\":4,\"text\":\"M\\u00fchle\"}},",
                  id_of(&given, 7));
    buffer_format(&reply, "{\"id\":\"%s\",\"score\":-0.5}]}", id_of(&given, 8));
    struct error err;
    assert_true(pinecone_read_matches(buffer_text(&reply), &given.request, &err));
    assert_int_equal(given.request.match_count, 2);
    const struct vectors_match *match = &given.matches[0];
    assert_true(uuid_equal(match->document, given.document.id));
    assert_true(match->gen == GEN && match->no == 7 && match->score == 0.75);
    assert_true(match->page_first == 3 && match->page_last == 4);
    assert_string_equal(match->text, "Mühle");
    assert_string_equal(given.matches[1].text, "");
    for (size_t i = 0; i < given.request.match_count; i++)
        xfree(given.matches[i].text);
    assert_false(pinecone_read_matches(TEXT("{}"), &given.request, &err));
    assert_int_equal(err.code, ERR_PROTOCOL);
}

static void assert_refusal(unsigned status, const char *reply, enum error_code code,
                           const char *message)
{
    struct error err;
    assert_false(pinecone_read_refusal(status, text_from(reply), &err));
    assert_int_equal(err.code, code);
    assert_string_equal(err.message, message);
}

static void test_pinecone_codec__refusals_are_read_in_all_their_shapes(void **state)
{
    (void)state;
    assert_refusal(400, "{\"code\":3,\"message\":\"dimension 3 does not match\",\"details\":[]}",
                   ERR_STORE_REFUSED, "status 400: dimension 3 does not match");
    assert_refusal(429,
                   "{\"status\":429,\"error\":{\"code\":\"RESOURCE_EXHAUSTED\","
                   "\"message\":\"slow down\"}}",
                   ERR_THROTTLED, "status 429: slow down");
    assert_refusal(401, "Invalid API Key\n", ERR_DENIED, "status 401: Invalid API Key");
    assert_refusal(403, "", ERR_DENIED, "status 403: (no message)");
    assert_refusal(503, "<html>gateway</html>", ERR_UNAVAILABLE, "status 503: (an HTML page)");
    assert_refusal(408, "{}", ERR_UNAVAILABLE, "status 408: (no message)");
    assert_refusal(302, "", ERR_PROTOCOL, "status 302: (no message)");
}

static void
test_pinecone_codec__only_the_stores_own_words_mean_that_a_namespace_is_missing(void **state)
{
    (void)state;
    assert_true(pinecone_is_namespace_missing(
        404, TEXT("{\"code\":5,\"message\":\"Namespace not found\"}")));
    assert_true(pinecone_is_namespace_missing(404, TEXT("{\"error\":{\"code\":\"NOT_FOUND\"}}")));
    assert_false(pinecone_is_namespace_missing(404, TEXT("<html>nothing here</html>")));
    assert_false(pinecone_is_namespace_missing(400, TEXT("{\"code\":5}")));
    assert_false(pinecone_is_namespace_missing(404, TEXT("{}")));
}

static void test_pinecone_codec__success_wants_the_stores_own_words(void **state)
{
    (void)state;
    struct error err;
    assert_true(pinecone_read_upserted(TEXT("{\"upsertedCount\":51}"), 51, &err));
    assert_false(pinecone_read_upserted(TEXT("{\"upsertedCount\":50}"), 51, &err));
    assert_false(pinecone_read_upserted(TEXT("<html>"), 51, &err));
    assert_int_equal(err.code, ERR_PROTOCOL);
    assert_true(pinecone_read_deleted(TEXT("{}"), &err));
    assert_false(pinecone_read_deleted(TEXT("[]"), &err));
}

static void test_pinecone_codec__the_index_must_fit(void **state)
{
    (void)state;
    struct error err;
    assert_true(pinecone_read_stats(TEXT("{\"dimension\":4,\"metric\":\"cosine\"}"), 4, &err));
    assert_true(pinecone_read_stats(TEXT("{\"dimension\":4}"), 4, &err));
    assert_false(pinecone_read_stats(TEXT("{\"dimension\":1536}"), 4, &err));
    assert_string_equal(err.message, "the index has dimension 1536, not 4");
    assert_false(pinecone_read_stats(TEXT("{\"dimension\":4,\"metric\":\"euclidean\"}"), 4, &err));
    assert_int_equal(err.code, ERR_STORE_REFUSED);
    assert_false(pinecone_read_stats(TEXT("{}"), 4, &err));
    assert_int_equal(err.code, ERR_PROTOCOL);
}

static void test_pinecone_codec__zero_and_infinite_vectors_are_not_usable(void **state)
{
    (void)state;
    assert_true(vector_is_usable((const float[]){0, 1e-8f, 0}, 3));
    assert_false(vector_is_usable((const float[]){0, 1e-9f, 0}, 3));
    assert_false(vector_is_usable((const float[]){0, NAN, 1}, 3));
    assert_false(vector_is_usable((const float[]){1, INFINITY, 1}, 3));
}

struct names {
    struct vectors_request request;
    char text[100];
};

static void on_name(struct vectors_request *request, struct text name)
{
    struct names *names = container_of(request, struct names, request);
    size_t at = strlen(names->text);
    assert_true(text_format(names->text + at, sizeof(names->text) - at, "%.*s;", TEXT_ARGS(name)));
}

static void test_pinecone_codec__a_list_goes_page_by_page(void **state)
{
    (void)state;
    struct given given;
    struct error err;
    given_init(&given);
    AUTO_BUFFER struct buffer url = buffer_new(1024), cursor = buffer_new(1024);
    struct names names = {.request = {.tenant = &given.tenant,
                                      .prefix = TEXT("d#1#"),
                                      .cursor = &cursor,
                                      .on_name = on_name}};

    buffer_append_text(&cursor, TEXT("a=+"));
    pinecone_write_list(&url, &names.request);
    char expected[200];
    (void)text_format(expected, sizeof(expected),
                      "?limit=100&namespace=%s&prefix=d%%231%%23&paginationToken=a%%3D%%2B",
                      NAMESPACE);
    assert_string_equal(buffer_string(&url), expected);
    assert_int_equal(cursor.bytes, 0);

    assert_true(pinecone_read_list(
        TEXT("{\"vectors\":[{\"id\":\"x\"},{\"id\":\"y\"}],\"pagination\":{\"next\":\"Z\"}}"),
        "vectors", "id", &names.request, &err));
    assert_string_equal(names.text, "x;y;");
    assert_string_equal(buffer_string(&cursor), "Z");

    assert_false(pinecone_read_list(TEXT("{}"), "vectors", "id", &names.request, &err));
    assert_int_equal(err.code, ERR_PROTOCOL);
    assert_false(pinecone_read_list(TEXT("<html>"), "vectors", "id", &names.request, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pinecone_codec__an_upsert_is_what_the_store_documents),
        cmocka_unit_test(test_pinecone_codec__upserts_are_cut_by_the_bytes_they_have),
        cmocka_unit_test(test_pinecone_codec__an_upsert_has_at_most_1000_records),
        cmocka_unit_test(test_pinecone_codec__metadata_stays_below_40_kb_in_any_writers_json),
        cmocka_unit_test(test_pinecone_codec__a_delete_names_at_most_1000_ids),
        cmocka_unit_test(test_pinecone_codec__a_query_asks_for_metadata_and_no_values),
        cmocka_unit_test(test_pinecone_codec__a_fetch_names_only_known_chunks),
        cmocka_unit_test(test_pinecone_codec__fetched_rows_are_bit_for_bit_what_was_stored),
        cmocka_unit_test(test_pinecone_codec__a_fetched_vector_of_another_text_is_not_used),
        cmocka_unit_test(test_pinecone_codec__a_cut_fetch_is_an_error),
        cmocka_unit_test(test_pinecone_codec__matches_that_are_not_ours_are_left_out),
        cmocka_unit_test(test_pinecone_codec__refusals_are_read_in_all_their_shapes),
        cmocka_unit_test(
            test_pinecone_codec__only_the_stores_own_words_mean_that_a_namespace_is_missing),
        cmocka_unit_test(test_pinecone_codec__success_wants_the_stores_own_words),
        cmocka_unit_test(test_pinecone_codec__a_list_goes_page_by_page),
        cmocka_unit_test(test_pinecone_codec__the_index_must_fit),
        cmocka_unit_test(test_pinecone_codec__zero_and_infinite_vectors_are_not_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
