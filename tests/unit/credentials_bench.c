#include "tests/unit/credentials_bench.h"

#include <fcntl.h>
#include <unistd.h>

#include "worker/base/memory.h"

struct credentials_bench bench;

static const char *from_table(const char *name)
{
    for (size_t i = 0; i < bench.variable_count; i++)
        if (strcmp(bench.variables[i].name, name) == 0)
            return bench.variables[i].value;
    return NULL;
}

void set(const char *name, const char *value)
{
    for (size_t i = 0; i < bench.variable_count; i++)
        if (strcmp(bench.variables[i].name, name) == 0) {
            bench.variables[i].value = value;
            return;
        }
    bench.variables[bench.variable_count++] = (struct variable){name, value};
}

const char *write_file(const char *content)
{
    if (!bench.path[0]) {
        strcpy(bench.path, "/tmp/millrace-credentials-XXXXXX");
        close(mkstemp(bench.path));
    }
    int fd = open(bench.path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
    return bench.path;
}

int bench_setup(void **state)
{
    *state = &bench;
    memset(&bench, 0, sizeof(bench));
    bench.loop = loop_new(NULL);
    /* Nothing of this machine: a test names what it is about. */
    set("AWS_EC2_METADATA_DISABLED", "true");
    return 0;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

int bench_teardown(void **state)
{
    (void)state;
    if (bench.credentials) {
        credentials_close(bench.credentials, on_closed, &bench.is_closed);
        while (!bench.is_closed)
            loop_run_once(bench.loop, 1000);
    }
    loop_run_once(bench.loop, 0);
    loop_free(bench.loop);
    if (bench.server.script)
        scripted_server_stop(&bench.server);
    if (bench.path[0])
        unlink(bench.path);
    return 0;
}

void open_credentials(void)
{
    struct error err;
    struct credentials_options options = {.getenv = from_table, .region = TEXT("eu-central-1")};
    bench.credentials = credentials_open(bench.loop, &options, &err);
    if (!bench.credentials)
        fail_msg("%s", err.message);
}

void assert_no_credentials(const char *named)
{
    struct error err;
    struct credentials_options options = {.getenv = from_table};
    assert_null(credentials_open(bench.loop, &options, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    if (!strstr(err.message, named))
        fail_msg("no \"%s\" in: %s", named, err.message);
    assert_null(strstr(err.message, "s3cret"));
}

static void on_done(struct credentials_request *request, const struct aws_key *key,
                    const struct error *err)
{
    struct asked *asked = container_of(request, struct asked, request);
    take_answer(asked, err);
    asked->has_key = key != NULL;
    if (!key)
        return;
    assert_true(text_format(asked->id, sizeof(asked->id), "%.*s", TEXT_ARGS(key->id)));
    assert_true(text_format(asked->secret, sizeof(asked->secret), "%.*s", TEXT_ARGS(key->secret)));
    assert_true(
        text_format(asked->token, sizeof(asked->token), "%.*s", TEXT_ARGS(key->session_token)));
}

void send_asked(struct asked *asked)
{
    *asked = (struct asked){.request.on_done = on_done};
    credentials_ask(bench.credentials, &asked->request);
    assert_false(asked->is_done);
}

struct asked ask(void)
{
    struct asked asked;
    send_asked(&asked);
    while (!asked.is_done)
        loop_run_once(bench.loop, 1000);
    return asked;
}

struct asked ask_for_key(const char *id)
{
    struct asked asked = ask();
    if (asked.has_failed)
        fail_msg("%s", asked.err.message);
    assert_true(asked.has_key);
    assert_string_equal(asked.id, id);
    return asked;
}

void assert_sent(size_t which, const char *part)
{
    if (!strstr(bench.server.requests[which], part))
        fail_msg("no \"%s\" in:\n%s", part, bench.server.requests[which]);
}
