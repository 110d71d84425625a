/*
 * credentials_bench.h - a table of variables and a loopback service that answers each connection with
 * the next line of a script, for the tests of the AWS key chain.
 */
#ifndef TESTS_UNIT_CREDENTIALS_BENCH_H
#define TESTS_UNIT_CREDENTIALS_BENCH_H

#include "tests/unit/scripted_server.h"
#include "tests/unit/test.h"
#include "worker/base/credentials.h"

struct variable {
    const char *name, *value;
};

struct asked {
    struct credentials_request request;
    bool is_done, has_key, has_failed;
    char id[64], secret[64], token[64];
    struct error err;
};

struct credentials_bench {
    struct loop *loop;
    struct credentials *credentials;
    struct variable variables[12];
    size_t variable_count;
    struct scripted_server server; /* started by a test that needs it */
    char path[64];                 /* of a file */
    bool is_closed;
};

extern struct credentials_bench bench;

void set(const char *name, const char *value);
const char *write_file(const char *content); /* always the same file; returns its path */
int bench_setup(void **state);
int bench_teardown(void **state);
void open_credentials(void);
void assert_no_credentials(const char *named); /* ERR_CONFIG, and its message names that */
void send_asked(struct asked *asked);
struct asked ask(void);
struct asked ask_for_key(const char *id);
void assert_sent(size_t which, const char *part);

#endif
