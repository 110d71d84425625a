/* millrace_reconcile: a sound database has no faults, and each kind of damage is told. */
#include "tests/contract/ledger_fixture.h"

static void given_documents(void **state)
{
    struct fixture *fixture = *state;
    struct event first = upload(ALICE, "a.pdf", "1"), second = upload(ALICE, "b.pdf", "1");
    struct event other = upload(BOB, "c.pdf", "1"), failed = upload(BOB, "d.pdf", "1");
    process(fixture, &first, "e1", 3);
    process(fixture, &second, "e2", 2);
    process(fixture, &other, "e3", 1);
    claim_of(fixture, 0, &failed);
    finish(fixture, &failed, EFFECT_DROP, OUTCOME_FAILED);
    assert_string_equal(reconcile(), "");
}

#define A "(select id from documents where object_key like '%/a.pdf')"
static const struct {
    const char *damage, *kind, *words;
} DAMAGES[] = {
    {"update processing_jobs set processed_count = 0", "counter", "its items say (1,1,0,0)"},
    {"update processing_jobs set pages_done = 99", "counter", "its items say (100,2,3,9)"},
    {"update processing_jobs set tokens_billed = 99", "counter", "their price are (99,"},
    {"update processing_jobs set status = 'processing'", "counter", "job is processing"},
    {"update users set total_vectors = 7 where id = '" ALICE "'", "counter",
     "documents, bytes, vectors are (2,200,7), the documents say (2,200,5)"},
    {"update documents set gen = null where id = " A, "counter", "no live generation"},
    {"update documents set error_code = null", "hole", "without a code and a sentence"},
    {"update documents set token_count = 8 where id = " A, "counter", "its chunks say 9"},
    {"update documents set object_key = 'users/" BOB "/x' where id = " A, "wrong_tenant",
     "under another prefix"},
    {"update documents set user_id = '" BOB "' where id = " A, "wrong_tenant",
     "chunks of a document of " BOB},
    {"delete from job_items where document_id = " A, "hole", "no item of any job"},
    {"delete from processing_jobs", "orphan", "there is no such job"},
    {"update job_items set outcome = null, due = now() - interval '1 day'", "stale", "was due"},
    {"update documents set leased_until = now() - interval '1 day'", "stale", "has not ended"},
    {"insert into litter select id, 255, user_id, 1, now() - interval '1 day' from documents",
     "stale", "generation ff was to be swept"},
    {"insert into litter values (gen_random_uuid(), 255, '" BOB "', 1, now())", "orphan",
     "no such document"},
    {"delete from " ALICE_SCHEMA ".chunks where chunk_no = 0", "hole",
     "chunk_count is 3, there are 2 chunks"},
    {"update " ALICE_SCHEMA ".chunks set chunk_no = 7 where chunk_no = 2", "hole",
     "the numbers of 3 chunks go from 0 to 7"},
    {"update " ALICE_SCHEMA ".chunks set document_id = gen_random_uuid() where chunk_no = 2",
     "orphan", "1 chunks of a document that does not exist"},
    {"insert into " ALICE_SCHEMA ".chunks select document_id, 9, 1, 1, 0, 1, '', 1, '', 'x' from "
     "" ALICE_SCHEMA ".chunks limit 1",
     "orphan", "there are 4 chunks"},
    {"delete from users where id = '" BOB "'", "orphan", "who is no user"},
};

static void test_reconcile__tells_each_kind_of_damage(void **state)
{
    given_documents(state);
    for (size_t i = 0; i < COUNT_OF(DAMAGES); i++) {
        char statement[1000];
        assert_true(text_format(statement, sizeof(statement),
                                "begin; %s; select kind || ': ' || message from millrace_faults; "
                                "rollback",
                                DAMAGES[i].damage));
        struct text found = text_from(sql(statement));
        size_t at;
        if (!text_find(found, text_from(DAMAGES[i].kind), &at) ||
            !text_find(found, text_from(DAMAGES[i].words), &at))
            fail_msg("%s:\n%s", DAMAGES[i].damage, found.start);
    }
    assert_string_equal(reconcile(), "");
}

static void test_reconcile__misses_vectors_where_they_are_rows(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "1");
    process(fixture, &event, "e1", 3);
    assert_string_equal(sql("select * from millrace_reconcile('" ALICE "', true)"), "");
    sql("update chunks set embedding = null where chunk_no = 1");
    assert_string_equal(sql("select kind, message from millrace_reconcile('" ALICE "', true)"),
                        "hole|2 of 3 chunks have a vector");
}

static void test_finish__that_keeps_nothing_is_no_success(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "1");
    claim_of(fixture, 0, &event);
    finish(fixture, &event, EFFECT_KEEP, OUTCOME_SKIPPED);
    assert_string_equal(sql("select status, error_code is null from documents"), "skipped|f");
    assert_string_equal(reconcile(), "");
}

static void test_finish__adds_up_what_was_paid(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        struct event event = upload(ALICE, i ? "a.pdf" : "b.pdf", "1");
        claim_of(fixture, 0, &event);
        struct ledger_finish request = finish_with(&event, EFFECT_DROP, OUTCOME_FAILED);
        request.tokens_billed = 1500000;
        request.price = TEXT("0.195");
        finish_run(fixture, &request);
    }
    assert_string_equal(sql("select distinct tokens_billed, price from job_progress"),
                        "1500000|0.195");
    assert_string_equal(
        sql("select tokens_billed, price from tenant_usage where user_id = '" ALICE "'"),
        "3000000|0.390");
    assert_string_equal(reconcile(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reconcile__tells_each_kind_of_damage, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_reconcile__misses_vectors_where_they_are_rows,
                                        fixture_set_up_shared, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_finish__adds_up_what_was_paid, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_finish__that_keeps_nothing_is_no_success,
                                        fixture_set_up, fixture_tear_down),
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("reconcile", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
