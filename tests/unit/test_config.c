#include <unistd.h>

#include "tests/unit/test.h"
#include "worker/base/memory.h"
#include "worker/config.h"

/* What a test sets, what came of it. */
struct bench {
    struct environment environment;
    struct config config;
    struct buffer problems;
    bool is_good;
};

static int set_up(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));
    bench->problems = buffer_new(64 * 1024);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    config_release(&bench->config);
    environment_release(&bench->environment);
    buffer_release(&bench->problems);
    xfree(bench);
    return 0;
}

static void set(struct bench *bench, const char *name, const char *value)
{
    environment_set(&bench->environment, text_from(name), text_from(value));
}

static void load(struct bench *bench, unsigned needs)
{
    config_release(&bench->config);
    buffer_clear(&bench->problems);
    bench->is_good = config_load(&bench->environment, needs, &bench->config, &bench->problems);
}

static unsigned line_count(struct bench *bench)
{
    unsigned count = 0;
    for (size_t i = 0; i < bench->problems.bytes; i++)
        count += bench->problems.data[i] == '\n';
    return count;
}

static bool says(struct bench *bench, const char *what)
{
    size_t at;
    return text_find(buffer_text(&bench->problems), text_from(what), &at);
}

/* The path of a new file with the content, to be unlinked. */
static void write_file(char path[64], const char *content)
{
    (void)text_format(path, 64, "/tmp/test-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void test_config__gives_the_defaults_of_its_table(void **state)
{
    struct bench *bench = *state;
    load(bench, 0);
    assert_true(bench->is_good);
    assert_int_equal(bench->problems.bytes, 0);
    assert_text(bench->config.kafka_group, "millrace");
    assert_int_equal(bench->config.tasks, 64);
    assert_int_equal(bench->config.bytes, (uint64_t)512 << 20);
    assert_int_equal(bench->config.drain, 15000);
    assert_true(bench->config.db_use_user_schemas);
    assert_int_equal(bench->config.vector_store, CONFIG_PINECONE);
    assert_int_equal(bench->config.openai_api_key.bytes, 0);
}

static void test_config__reads_a_value_of_every_kind(void **state)
{
    struct bench *bench = *state;
    set(bench, "KAFKA_TOPIC", "  uploads ");
    set(bench, "OPENAI_API_KEY", "sk-1");
    set(bench, "MILLRACE_BYTES", "2 GiB");
    set(bench, "MILLRACE_DRAIN", "250ms");
    set(bench, "MILLRACE_TASKS", "7");
    set(bench, "DB_USE_USER_SCHEMAS", "No");
    set(bench, "VECTOR_STORE", "PgVector");
    load(bench, 0);
    assert_true(bench->is_good);
    assert_text(bench->config.kafka_topic, "uploads");
    assert_string_equal(bench->config.kafka_topic.start, "uploads");
    assert_text(bench->config.openai_api_key, "sk-1");
    assert_int_equal(bench->config.bytes, (uint64_t)2 << 30);
    assert_int_equal(bench->config.drain, 250);
    assert_int_equal(bench->config.tasks, 7);
    assert_false(bench->config.db_use_user_schemas);
    assert_int_equal(bench->config.vector_store, CONFIG_PGVECTOR);
}

static void test_config__an_empty_variable_means_the_default(void **state)
{
    struct bench *bench = *state;
    set(bench, "MILLRACE_TASKS", "");
    set(bench, "KAFKA_GROUP", "");
    load(bench, 0);
    assert_true(bench->is_good);
    assert_int_equal(bench->config.tasks, 64);
    assert_text(bench->config.kafka_group, "millrace");
}

static void test_config__accepts_both_ends_of_a_range_and_nothing_past_them(void **state)
{
    struct bench *bench = *state;
    static const struct {
        const char *name, *value;
        bool is_good;
    } cases[] = {
        {"MILLRACE_TASKS", "1", true},
        {"MILLRACE_TASKS", "4096", true},
        {"MILLRACE_TASKS", "0", false},
        {"MILLRACE_TASKS", "4097", false},
        {"MILLRACE_TASKS", "-1", false},
        {"MILLRACE_TASKS", "4294967297", false}, /* 2^32 + 1 */
        {"MILLRACE_BYTES", "1MiB", true},
        {"MILLRACE_BYTES", "1MB", false},
        {"MILLRACE_BYTES", "2000GiB", false},
        {"MILLRACE_BYTES", "99999999999999999999GiB", false},
        {"MILLRACE_DRAIN", "0s", true},
        {"MILLRACE_DRAIN", "1h", true},
        {"MILLRACE_DRAIN", "61m", false},
        {"MILLRACE_DRAIN", "15", false},
        {"DB_USE_USER_SCHEMAS", "on", true},
        {"DB_USE_USER_SCHEMAS", "maybe", false},
        {"MILLRACE_LOG", "WARN", true},
        {"MILLRACE_LOG", "warn|error", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        set(bench, cases[i].name, cases[i].value);
        load(bench, 0);
        if (bench->is_good != cases[i].is_good)
            fail_msg("%s=%s", cases[i].name, cases[i].value);
        assert_true(bench->is_good || says(bench, cases[i].name));
        set(bench, cases[i].name, "");
    }
}

static void test_config__says_what_a_bad_value_must_be(void **state)
{
    struct bench *bench = *state;
    set(bench, "MILLRACE_DRAIN", "15");
    set(bench, "MILLRACE_TASKS", "many");
    set(bench, "MILLRACE_BYTES", "much");
    set(bench, "DB_USE_USER_SCHEMAS", "perhaps");
    set(bench, "MILLRACE_LOG", "loud");
    load(bench, 0);
    assert_false(bench->is_good);
    assert_int_equal(line_count(bench), 5);
    assert_true(says(bench, "MILLRACE_DRAIN=15: must be a duration with its unit from 0s to 1h\n"));
    assert_true(says(bench, "MILLRACE_TASKS=many: must be a whole number from 1 to 4096\n"));
    assert_true(says(bench, "MILLRACE_BYTES=much: must be a size from 1MiB to 1024GiB\n"));
    assert_true(says(bench, "DB_USE_USER_SCHEMAS=perhaps: must be true or false\n"));
    assert_true(says(bench, "MILLRACE_LOG=loud: must be one of debug|info|warn|error\n"));
}

static void test_config__wants_the_chunk_sizes_in_order(void **state)
{
    struct bench *bench = *state;
    set(bench, "MILLRACE_CHUNK_TOKENS", "600");
    load(bench, 0);
    assert_false(bench->is_good);
    assert_true(says(bench, "MILLRACE_CHUNK_TOKENS_MAX (512)"));
    set(bench, "MILLRACE_CHUNK_TOKENS_MAX", "800");
    load(bench, 0);
    assert_true(bench->is_good);
}

static void test_config__one_mistake_is_one_problem(void **state)
{
    struct bench *bench = *state;
    set(bench, "MILLRACE_CHUNK_TOKENS", "some");
    load(bench, 0);
    assert_false(bench->is_good);
    assert_int_equal(line_count(bench), 1);
}

/* ---- what is missing ------------------------------------------------------------------------- */

static void test_config__lists_all_that_is_missing_at_once(void **state)
{
    struct bench *bench = *state;
    load(bench, NEED_KAFKA | NEED_OBJECTS | NEED_EMBED | NEED_VECTORS | NEED_DATABASE);
    assert_false(bench->is_good);
    assert_int_equal(line_count(bench), 7);
    assert_true(says(bench, "KAFKA_BROKERS: is not set"));
    assert_true(says(bench, "KAFKA_TOPIC: is not set"));
    assert_true(says(bench, "S3_BUCKET: is not set"));
    assert_true(says(bench, "OPENAI_API_KEY: is not set"));
    assert_true(says(bench, "PINECONE_API_KEY: is not set"));
    assert_true(says(bench, "PINECONE_INDEX_HOST or PINECONE_INDEX_NAME: is not set"));
    assert_true(says(bench, "DATABASE_URL: is not set"));
}

static void test_config__asks_only_for_what_the_choices_need(void **state)
{
    struct bench *bench = *state;
    set(bench, "MILLRACE_EMBEDDER", "local");
    set(bench, "VECTOR_STORE", "postgres");
    set(bench, "S3_ENDPOINT", "file:///srv");
    set(bench, "PGHOST", "/run");
    load(bench, NEED_OBJECTS | NEED_EMBED | NEED_VECTORS);
    assert_true(bench->is_good);
    set(bench, "PGHOST", "");
    load(bench, NEED_OBJECTS | NEED_EMBED | NEED_VECTORS);
    assert_false(bench->is_good);
    assert_true(says(bench, "DATABASE_URL: is not set"));
}

/* ---- names ----------------------------------------------------------------------------------- */

static void test_config__refuses_names_of_ours_that_do_not_exist(void **state)
{
    struct bench *bench = *state;
    set(bench, "MILLRACE_TASK", "7");
    set(bench, "MILLRACE_LISTEN_FILE", "/x"); /* no secret */
    set(bench, "MILLRACEX", "not ours");
    load(bench, 0);
    assert_false(bench->is_good);
    assert_int_equal(line_count(bench), 2);
    assert_true(says(bench, "MILLRACE_TASK: there is no such option"));
    assert_true(says(bench, "MILLRACE_LISTEN_FILE: there is no such option"));
}

static void test_config__passes_over_the_service_links_of_kubernetes(void **state)
{
    struct bench *bench = *state;
    set(bench, "MILLRACE_SERVICE_HOST", "10.0.0.1");
    set(bench, "MILLRACE_SERVICE_PORT", "80");
    set(bench, "MILLRACE_SERVICE_PORT_METRICS", "9464");
    set(bench, "MILLRACE_PORT", "tcp://10.0.0.1:80");
    set(bench, "MILLRACE_PORT_9464_TCP_ADDR", "10.0.0.1");
    set(bench, "MILLRACE_METRICS_PORT_9464_TCP", "tcp://10.0.0.1:9464");
    load(bench, 0);
    assert_true(bench->is_good);
    assert_int_equal(bench->problems.bytes, 0);
}

static void test_config__warns_of_near_misses_and_starts_all_the_same(void **state)
{
    struct bench *bench = *state;
    set(bench, "KAFKA_BROKER", "b:9092");
    set(bench, "OPENAI_MODEL", "m");
    load(bench, 0);
    assert_true(bench->is_good);
    assert_int_equal(line_count(bench), 2);
    assert_true(says(bench, "warning: KAFKA_BROKER is not read; did you mean KAFKA_BROKERS?"));
    set(bench, "KAFKA_BROKERS", "b:9092"); /* both: somebody else reads the other one */
    load(bench, 0);
    assert_int_equal(line_count(bench), 1);
    assert_true(says(bench, "OPENAI_EMBEDDING_MODEL"));
}

static void test_config__warns_of_a_prefetch_that_starves_partitions(void **state)
{
    struct bench *bench = *state;
    set(bench, "KAFKA_PROP_QUEUED_MIN_MESSAGES", "200");
    set(bench, "KAFKA_PROP_QUEUED_MAX_MESSAGES_KBYTES", "512");
    load(bench, 0);
    assert_true(bench->is_good);
    assert_int_equal(line_count(bench), 2);
    assert_true(says(bench, "warning: queued.min.messages=200: a partition gives no more than"));
    assert_true(says(bench, "warning: queued.max.messages.kbytes=512:"));
    set(bench, "KAFKA_PROP_QUEUED_MIN_MESSAGES", "100000");
    set(bench, "KAFKA_PROP_QUEUED_MAX_MESSAGES_KBYTES", "16384");
    load(bench, 0);
    assert_int_equal(line_count(bench), 0);
}

/* ---- secrets from files ---------------------------------------------------------------------- */

static void test_config__reads_a_secret_from_its_file_without_the_line_end(void **state)
{
    struct bench *bench = *state;
    char path[64];
    write_file(path, "sk-from-file\r\n");
    set(bench, "OPENAI_API_KEY_FILE", path);
    set(bench, "MILLRACE_PAGE_TOKEN_FILE", path); /* an option of ours: its _FILE is one too */
    load(bench, 0);
    unlink(path);
    assert_true(bench->is_good);
    assert_text(bench->config.openai_api_key, "sk-from-file");
    assert_text(bench->config.page_token, "sk-from-file");
}

static void test_config__keeps_all_of_a_secret_that_begins_with_space(void **state)
{
    struct bench *bench = *state;
    char path[64];
    write_file(path, "  pass word\n");
    set(bench, "DATABASE_PASSWORD_FILE", path);
    load(bench, 0);
    unlink(path);
    assert_true(bench->is_good);
    assert_text(bench->config.database_password, "pass word");
}

static void test_config__prefers_the_variable_to_the_file(void **state)
{
    struct bench *bench = *state;
    set(bench, "OPENAI_API_KEY", "sk-direct");
    set(bench, "OPENAI_API_KEY_FILE", "/nowhere/at/all");
    load(bench, 0);
    assert_true(bench->is_good);
    assert_text(bench->config.openai_api_key, "sk-direct");
}

static void test_config__names_a_secret_file_that_cannot_be_read(void **state)
{
    struct bench *bench = *state;
    set(bench, "OPENAI_API_KEY_FILE", "/nowhere/at/all");
    load(bench, 0);
    assert_false(bench->is_good);
    assert_int_equal(line_count(bench), 1);
    assert_true(says(bench, "OPENAI_API_KEY_FILE: /nowhere/at/all: No such file or directory\n"));
}

static void test_config__refuses_a_secret_file_that_is_no_secret(void **state)
{
    struct bench *bench = *state;
    set(bench, "OPENAI_API_KEY_FILE", "/dev/zero");
    load(bench, 0);
    assert_false(bench->is_good);
    assert_true(says(bench, "OPENAI_API_KEY_FILE: /dev/zero: larger than 64 KiB\n"));
}

/* ---- the database ---------------------------------------------------------------------------- */

static void test_config__takes_the_url_before_names_and_names_before_pg(void **state)
{
    struct bench *bench = *state;
    set(bench, "PGHOST", "pg.example");
    set(bench, "PGSSLMODE", "require");
    load(bench, 0);
    assert_text(bench->config.conninfo, "host='pg.example' sslmode='require'");
    set(bench, "DATABASE_HOST", "db.example");
    set(bench, "DATABASE_PORT", "5433");
    set(bench, "DATABASE_NAME", "docs");
    set(bench, "DATABASE_USER", "mill");
    set(bench, "DATABASE_PASSWORD", "it's \\ secret");
    load(bench, 0);
    assert_text(bench->config.conninfo, "host='db.example' port='5433' dbname='docs' user='mill' "
                                        "password='it\\'s \\\\ secret'");
    set(bench, "DATABASE_URL", "postgresql://u:p@url.example/x");
    load(bench, 0);
    assert_text(bench->config.conninfo, "postgresql://u:p@url.example/x");
}

static void test_config__drops_the_driver_of_a_url_and_no_other_plus(void **state)
{
    struct bench *bench = *state;
    static const char *const cases[][2] = {
        {"postgresql+asyncpg://u:p@h/x", "postgresql://u:p@h/x"},
        {"postgres+psycopg2://h/x+y", "postgres://h/x+y"},
        {"postgresql://u:a+b@h/x", "postgresql://u:a+b@h/x"},
        {"host=h password=a+b", "host=h password=a+b"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        set(bench, "DATABASE_URL", cases[i][0]);
        load(bench, 0);
        assert_text(bench->config.conninfo, cases[i][1]);
    }
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void test_config__splits_the_buckets(void **state)
{
    struct bench *bench = *state;
    set(bench, "S3_BUCKET", " one, two ,,three,");
    load(bench, NEED_OBJECTS);
    assert_true(bench->is_good);
    assert_int_equal(bench->config.bucket_count, 3);
    assert_text(bench->config.buckets[0], "one");
    assert_text(bench->config.buckets[1], "two");
    assert_text(bench->config.buckets[2], "three");
}

static void test_config__refuses_more_buckets_than_it_can_hold(void **state)
{
    struct bench *bench = *state;
    char buckets[2 * CONFIG_LIST_MAX + 2];
    for (size_t i = 0; i + 1 < sizeof(buckets); i++)
        buckets[i] = i % 2 ? ',' : 'b';
    buckets[sizeof(buckets) - 1] = '\0';
    set(bench, "S3_BUCKET", buckets);
    load(bench, 0);
    assert_false(bench->is_good);
    assert_true(says(bench, "S3_BUCKET: names more than 32 buckets"));
    buckets[2 * CONFIG_LIST_MAX] = '\0';
    set(bench, "S3_BUCKET", buckets);
    load(bench, 0);
    assert_true(bench->is_good);
    assert_int_equal(bench->config.bucket_count, CONFIG_LIST_MAX);
}

static void test_config__passes_kafka_properties_through(void **state)
{
    struct bench *bench = *state;
    set(bench, "KAFKA_PROP_SASL_MECHANISM", "PLAIN");
    set(bench, "KAFKA_PROP_ssl_ca_location", "/etc/CA_1.pem");
    load(bench, 0);
    assert_true(bench->is_good);
    assert_int_equal(bench->config.kafka_property_count, 2);
    assert_text(bench->config.kafka_properties[0].name, "sasl.mechanism");
    assert_text(bench->config.kafka_properties[0].value, "PLAIN");
    assert_text(bench->config.kafka_properties[1].name, "ssl.ca.location");
    assert_text(bench->config.kafka_properties[1].value, "/etc/CA_1.pem");
}

/* ---- the table for people -------------------------------------------------------------------- */

static void test_config__describes_every_option_and_shows_no_value(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = buffer_new(64 * 1024);
    AUTO_BUFFER struct buffer table = buffer_new(64 * 1024);
    config_describe(&text, false);
    config_describe(&table, true);
    assert_false(text.is_full || table.is_full);
#define X(kind, field, name, fallback, low, high, help)                   \
    do {                                                                  \
        size_t at;                                                        \
        assert_true(text_find(buffer_text(&text), TEXT(name), &at));      \
        assert_true(text_find(buffer_text(&table), TEXT("`" name), &at)); \
    } while (0);
#include "worker/config.def"
#undef X
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_config__gives_the_defaults_of_its_table),
        WITH_BENCH(test_config__reads_a_value_of_every_kind),
        WITH_BENCH(test_config__an_empty_variable_means_the_default),
        WITH_BENCH(test_config__accepts_both_ends_of_a_range_and_nothing_past_them),
        WITH_BENCH(test_config__says_what_a_bad_value_must_be),
        WITH_BENCH(test_config__wants_the_chunk_sizes_in_order),
        WITH_BENCH(test_config__one_mistake_is_one_problem),
        WITH_BENCH(test_config__lists_all_that_is_missing_at_once),
        WITH_BENCH(test_config__asks_only_for_what_the_choices_need),
        WITH_BENCH(test_config__refuses_names_of_ours_that_do_not_exist),
        WITH_BENCH(test_config__passes_over_the_service_links_of_kubernetes),
        WITH_BENCH(test_config__warns_of_near_misses_and_starts_all_the_same),
        WITH_BENCH(test_config__warns_of_a_prefetch_that_starves_partitions),
        WITH_BENCH(test_config__reads_a_secret_from_its_file_without_the_line_end),
        WITH_BENCH(test_config__keeps_all_of_a_secret_that_begins_with_space),
        WITH_BENCH(test_config__prefers_the_variable_to_the_file),
        WITH_BENCH(test_config__names_a_secret_file_that_cannot_be_read),
        WITH_BENCH(test_config__refuses_a_secret_file_that_is_no_secret),
        WITH_BENCH(test_config__takes_the_url_before_names_and_names_before_pg),
        WITH_BENCH(test_config__drops_the_driver_of_a_url_and_no_other_plus),
        WITH_BENCH(test_config__splits_the_buckets),
        WITH_BENCH(test_config__refuses_more_buckets_than_it_can_hold),
        WITH_BENCH(test_config__passes_kafka_properties_through),
        cmocka_unit_test(test_config__describes_every_option_and_shows_no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
