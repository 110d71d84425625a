/* The document protocol against a real server: each cell of its table "event \ state", replays,
 * races, litter, parking. */
#include "tests/contract/ledger_fixture.h"
#include "worker/base/memory.h"

static void assert_reconciled(void)
{
    assert_string_equal(reconcile(), "");
}

/* ---- put ------------------------------------------------------------------------------------- */

static void test_claim__a_bare_upload_is_a_job_of_one(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "dir/a b.pdf", "v1");

    assert_int_equal(claim_of(fixture, 0, &event), CLAIM_GO);

    assert_false(event.claim.has_live);
    assert_int_equal(event.claim.starts, 1);
    assert_true(event.claim.is_tenant_active);
    assert_false(event.claim.is_stopped || event.claim.is_paused || event.claim.is_over_quota);
    assert_true(uuid_equal(event.claim.item_job, event.claim.job));
    assert_string_equal(sql("select status || total_documents || job_type from processing_jobs"),
                        "processing1upload");
    assert_string_equal(
        sql("select status || ' ' || title || ' ' || file_path || ' ' || file_source_type from "
            "documents"),
        "processing a b.pdf users/" ALICE "/dir/a b.pdf upload");
    assert_reconciled();
}

static void test_put__success_makes_the_document_live(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1");
    process(fixture, &event, "e1", 5);

    assert_string_equal(sql("select status || etag || chunk_count || gen_pipeline || (gen = fence) "
                            "|| (leased_until is null) from documents"),
                        "successe15p1truetrue");
    assert_string_equal(sql("select count(*) || ' ' || min(chunk_no) || ' ' || max(chunk_no) from "
                            "\"" ALICE_SCHEMA "\".chunks"),
                        "5 0 4");
    assert_string_equal(sql("select status || processed_count || pages_done || chunks_done || "
                            "tokens_done || bytes_done from processing_jobs"),
                        "completed12515100");
    assert_string_equal(sql("select count(*) from litter"), "0");
    assert_string_equal(sql("select count(*) from staged_chunks"), "0");
    assert_reconciled();

    struct event replay = upload(ALICE, "a.pdf", "v1");
    const char *before = sql("select md5(string_agg(d::text, '')) from documents d");
    char copy[64];
    (void)text_format(copy, sizeof(copy), "%s", before);
    assert_int_equal(claim_of(fixture, 1, &replay), CLAIM_DONE);
    assert_string_equal(sql("select md5(string_agg(d::text, '')) from documents d"), copy);
}

static void test_put__an_overwrite_flips_the_generation_and_leaves_litter(void **state)
{
    struct fixture *fixture = *state;
    struct event first = upload(ALICE, "a.pdf", "v1"), second = upload(ALICE, "a.pdf", "v2");
    struct litter litter[4];
    process(fixture, &first, "e1", 5);

    assert_int_equal(claim_of(fixture, 0, &second), CLAIM_GO);
    assert_true(second.claim.has_live && second.claim.is_live_current);
    assert_int_equal(second.claim.live_gen, first.claim.fence);
    assert_string_equal(second.claim.live_etag, "e1");
    assert_int_equal(second.claim.live_chunk_count, 5);
    process(fixture, &second, "e2", 2);

    assert_string_equal(sql("select count(*) from \"" ALICE_SCHEMA "\".chunks"), "2");
    assert_string_equal(sql("select total_documents || ' ' || total_vectors from users where id = "
                            "'" ALICE "'"),
                        "1 2");
    assert_int_equal(dead(fixture, second.document.id, litter, 4), 1);
    assert_int_equal(litter[0].gen, first.claim.fence);
    assert_int_equal(litter[0].vector_count, 5);
    swept(fixture, &litter[0]); /* too early: a request of its time might still land */
    assert_int_equal(dead(fixture, UUID_NIL, litter, 4), 1);
    sql("update litter set quiet_at = now() - interval '1 s'");
    assert_int_equal(dead(fixture, UUID_NIL, litter, 4), 1);
    swept(fixture, &litter[0]);
    assert_int_equal(dead(fixture, UUID_NIL, litter, 4), 0);
    assert_reconciled();
}

static void test_put__the_same_bytes_again_are_skipped(void **state)
{
    struct fixture *fixture = *state;
    struct event first = upload(ALICE, "a.pdf", "v1"), again = upload(ALICE, "a.pdf", "v2");
    process(fixture, &first, "e1", 3);
    assert_int_equal(claim_of(fixture, 0, &again), CLAIM_GO);

    assert_int_equal(finish(fixture, &again, EFFECT_KEEP, OUTCOME_SKIPPED), FINISH_OK);

    assert_string_equal(sql("select status || etag || chunk_count || coalesce(error_code, '-') "
                            "from documents"),
                        "successe13-");
    assert_string_equal(sql("select string_agg(outcome || coalesce(error_code, ''), ',' order by "
                            "outcome) from job_items"),
                        "skippedunchanged,success");
    assert_reconciled();
}

static void test_put__a_failure_drops_what_was_live_and_keep_keeps_it(void **state)
{
    struct fixture *fixture = *state;
    struct event first = upload(ALICE, "a.pdf", "v1"), kept = upload(ALICE, "a.pdf", "v2"),
                 bad = upload(ALICE, "a.pdf", "v3");
    process(fixture, &first, "e1", 3);

    claim_of(fixture, 0, &kept);
    assert_int_equal(finish(fixture, &kept, EFFECT_KEEP, OUTCOME_FAILED), FINISH_OK);
    assert_string_equal(sql("select status || chunk_count from documents"), "success3");
    assert_reconciled();
    claim_of(fixture, 0, &bad);
    assert_int_equal(finish(fixture, &bad, EFFECT_DROP, OUTCOME_FAILED), FINISH_OK);

    assert_string_equal(
        sql("select status || chunk_count || error_code || (gen is null) from documents"),
        "failed0damagedtrue");
    assert_string_equal(sql("select count(*) from \"" ALICE_SCHEMA "\".chunks"), "0");
    assert_string_equal(sql("select n from litter"), "3");
    assert_string_equal(sql("select string_agg(status, ',' order by status) from processing_jobs"),
                        "completed,failed,failed");
    assert_reconciled();
}

/* ---- leases ---------------------------------------------------------------------------------- */

static void test_lease__keeps_others_out_until_it_ends(void **state)
{
    struct fixture *fixture = *state;
    struct event first = upload(ALICE, "a.pdf", "v1"), other = upload(ALICE, "a.pdf", "v1"),
                 gone = removal(ALICE, "a.pdf");
    claim_of(fixture, 0, &first);

    assert_int_equal(claim_of(fixture, 1, &other), CLAIM_BUSY);
    assert_in_range(other.claim.busy_ms, 10000, 15000);
    assert_int_equal(claim_of(fixture, 1, &gone), CLAIM_BUSY);
    expire_leases();
    assert_int_equal(intend(fixture, &first, 4), INTEND_GO); /* nobody took it */
    assert_int_equal(claim_of(fixture, 1, &other), CLAIM_BUSY);
    expire_leases();
    assert_int_equal(claim_of(fixture, 1, &other), CLAIM_GO);

    assert_int_equal(other.claim.starts, 2);
    assert_int_equal(intend(fixture, &first, 4), INTEND_LOST);
    assert_int_equal(finish(fixture, &first, EFFECT_DROP, OUTCOME_FAILED), FINISH_LOST);
    assert_string_equal(sql("select n from litter"), "4"); /* of the attempt that was lost */
    assert_int_equal(finish(fixture, &other, EFFECT_DROP, OUTCOME_FAILED), FINISH_OK);
    assert_reconciled();
}

static void test_lease__a_claim_asked_again_with_its_fence_goes_on(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1");
    claim_of(fixture, 0, &event);
    assert_int_equal(claim_of(fixture, 0, &event), CLAIM_GO);
    assert_int_equal(event.claim.starts, 1);
}

static void test_finish__asked_again_is_ok_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), later = upload(ALICE, "a.pdf", "v2");
    process(fixture, &event, "e1", 2);
    struct ledger_finish again = finish_with(&event, EFFECT_LIVE, OUTCOME_SUCCESS);
    again.chunk_count = 2;

    assert_int_equal(finish_run(fixture, &again), FINISH_OK);
    claim_of(fixture, 0, &later); /* even when the next attempt has begun */
    assert_int_equal(finish_run(fixture, &again), FINISH_OK);
    assert_reconciled();
}

static void test_finish__wants_its_staged_rows(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1");
    claim_of(fixture, 0, &event);
    stage(fixture, &event, 0, 2);
    struct ledger_finish request = finish_with(&event, EFFECT_LIVE, OUTCOME_SUCCESS);
    request.chunk_count = 3, request.token_count = 9;

    assert_int_equal(finish_run(fixture, &request), FINISH_RESTAGE);
    assert_string_equal(sql("select status from documents"), "processing");
    assert_reconciled();
    stage(fixture, &event, 0, 3); /* some of them twice */
    assert_int_equal(finish_run(fixture, &request), FINISH_OK);
    assert_string_equal(sql("select count(*) from \"" ALICE_SCHEMA "\".chunks"), "3");
    assert_reconciled();
}

static void test_release__gives_the_start_back(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), next = upload(ALICE, "a.pdf", "v1");
    claim_of(fixture, 0, &event);
    intend(fixture, &event, 4);

    struct ledger_release answer = release(fixture, &event, false);

    assert_false(answer.was_parked || answer.is_exhausted);
    assert_string_equal(sql("select status || starts || (leased_until is null) from documents"),
                        "pending0true");
    assert_int_equal(intend(fixture, &event, 4), INTEND_LOST);
    assert_int_equal(claim_of(fixture, 1, &next), CLAIM_GO);
    assert_int_equal(next.claim.starts, 1);
    struct litter litter[2];
    assert_int_equal(dead(fixture, event.document.id, litter, 2), 1);
}

/* ---- parking --------------------------------------------------------------------------------- */

static void test_park__the_item_waits_in_its_row(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), again = upload(ALICE, "a.pdf", "v1"),
                 newer = upload(ALICE, "a.pdf", "v2");
    struct due_item items[4];
    claim_of(fixture, 0, &event);

    assert_true(release(fixture, &event, true).was_parked);
    assert_true(release(fixture, &event, true).was_parked); /* the reply was lost */

    assert_int_equal(claim_of(fixture, 0, &again), CLAIM_PARKED);
    assert_int_equal(claim_of(fixture, 0, &newer), CLAIM_PARKED);
    assert_string_equal(sql("select error_code || ' ' || error_message from job_items"),
                        "over_quota too much");
    struct ledger_due found = due(fixture, items, 4);
    assert_int_equal(found.item_count, 0);
    assert_int_equal(found.parked_count, 1);

    sql("update job_items set due = now(), parked_until = now()");
    found = due(fixture, items, 4);
    assert_int_equal(found.item_count, 1);
    assert_string_equal(items[0].key, event.key);
    assert_string_equal(items[0].bucket, "b");
    assert_false(items[0].is_overdue);
    assert_int_equal(due(fixture, items, 4).item_count, 0); /* taken: not for the next janitor */

    struct event janitors = job_event(ALICE, "a.pdf", items[0].job);
    process(fixture, &janitors, "e2", 1);
    assert_int_equal(claim_of(fixture, 0, &again), CLAIM_DONE);
    assert_int_equal(claim_of(fixture, 0, &newer), CLAIM_DONE); /* its item ran after it came */
    assert_string_equal(sql("select count(*) from processing_jobs"), "1");
    assert_reconciled();
}

/* ---- jobs and bare events -------------------------------------------------------------------- */

static struct uuid make_job(const char *user, const char *name)
{
    struct event event = upload(user, name, "x");
    struct uuid job = uuid_v4();
    char statement[1024], job_text[UUID_TEXT_BYTES], document_text[UUID_TEXT_BYTES];
    (void)text_format(statement, sizeof(statement),
                      "insert into processing_jobs (id, user_id, job_type, total_documents) values "
                      "('%s', '%s', 'batch', 1); insert into documents (id, user_id, bucket, "
                      "object_key) values ('%s', '%s', 'b', '%s') on conflict do nothing; insert "
                      "into job_items (job_id, document_id, due) values ('%s', '%s', now() + "
                      "interval '1 h')",
                      uuid_format(job, job_text), user,
                      uuid_format(event.document.id, document_text), user, event.key, job_text,
                      document_text);
    sql(statement);
    return job;
}

static void test_bare__runs_the_open_item_of_a_job(void **state)
{
    struct fixture *fixture = *state;
    struct uuid job = make_job(ALICE, "a.pdf");
    struct event bare = upload(ALICE, "a.pdf", "v1"), own = job_event(ALICE, "a.pdf", job),
                 replay = upload(ALICE, "a.pdf", "v1");

    process(fixture, &bare, "e1", 2);

    assert_true(uuid_equal(bare.claim.item_job, job));
    assert_int_equal(claim_of(fixture, 0, &own), CLAIM_DONE);
    assert_int_equal(claim_of(fixture, 0, &replay), CLAIM_DONE);
    assert_string_equal(sql("select count(*) || min(status) from processing_jobs"), "1completed");
    assert_reconciled();
}

static void test_bare__that_met_a_lease_is_not_settled_by_it(void **state)
{
    struct fixture *fixture = *state;
    struct uuid job = make_job(ALICE, "a.pdf");
    struct event own = job_event(ALICE, "a.pdf", job), bare = upload(ALICE, "a.pdf", "v2");
    claim_of(fixture, 0, &own); /* its GET may see the version before the bare event's */

    assert_int_equal(claim_of(fixture, 1, &bare), CLAIM_BUSY);
    process(fixture, &own, "e1", 2);

    assert_int_equal(claim_of(fixture, 1, &bare), CLAIM_GO);
    assert_true(uuid_equal(bare.claim.item_job, bare.claim.job));
    assert_string_equal(sql("select count(*) from processing_jobs"), "2");
    assert_reconciled();
}

static void test_bare__is_not_lost_to_a_cancelled_job(void **state)
{
    struct fixture *fixture = *state;
    struct uuid job = make_job(ALICE, "a.pdf");
    struct event bare = upload(ALICE, "a.pdf", "v1"), own = job_event(ALICE, "a.pdf", job);
    sql("update processing_jobs set control = 'cancel'");

    process(fixture, &bare, "e1", 2);

    assert_true(uuid_equal(bare.claim.item_job, bare.claim.job));
    assert_int_equal(claim_of(fixture, 0, &own), CLAIM_GO);
    assert_true(own.claim.is_stopped);
    assert_int_equal(finish(fixture, &own, EFFECT_KEEP, OUTCOME_CANCELLED), FINISH_OK);
    assert_string_equal(sql("select status from processing_jobs where job_type = 'batch'"),
                        "cancelled");
    assert_reconciled();
}

static void test_control__reaches_claims_and_intends(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), again = event;
    struct due_item items[2];
    claim_of(fixture, 0, &event);
    sql("update processing_jobs set control = 'pause'");
    assert_int_equal(claim_of(fixture, 0, &event), CLAIM_GO);
    assert_true(event.claim.is_paused);
    assert_int_equal(intend(fixture, &event, 1), INTEND_GO);
    sql("update job_items set due = now()");
    expire_leases();
    assert_int_equal(due(fixture, items, 2).item_count, 0); /* paused */
    sql("update processing_jobs set control = 'cancel'");
    assert_int_equal(intend(fixture, &event, 1), INTEND_STOP);
    sql("update processing_jobs set control = 'none'; update users set is_active = false");
    assert_int_equal(intend(fixture, &event, 1), INTEND_INACTIVE);
    expire_leases();
    assert_int_equal(claim_of(fixture, 0, &again), CLAIM_GO);
    assert_false(again.claim.is_tenant_active);
}

static void test_claim__knows_its_tenants(void **state)
{
    struct fixture *fixture = *state;
    struct event nobody = upload(NOBODY, "a.pdf", "v1"), event = upload(ALICE, "a.pdf", "v1");
    assert_int_equal(claim_of(fixture, 0, &nobody), CLAIM_NO_TENANT);
    sql("update users set s3_bucket_prefix = 'users/' || id || '/', pinecone_namespace = 'user_' "
        "|| "
        "replace(id::text, '-', ''), db_schema = 'user_' || replace(id::text, '-', '')");
    assert_int_equal(claim_of(fixture, 0, &event), CLAIM_GO);
    release(fixture, &event, false);

    sql("update users set pinecone_namespace = 'user_of_somebody' where id = '" ALICE "'");
    struct event refused = upload(ALICE, "b.pdf", "v1");
    assert_int_equal(claim_of(fixture, 0, &refused), CLAIM_TENANT_MISMATCH);
    assert_string_equal(sql("select count(*) from documents"), "1");
}

static void test_claim__refuses_jobs_that_do_not_have_the_document(void **state)
{
    struct fixture *fixture = *state;
    struct uuid job = make_job(ALICE, "a.pdf");
    struct event unknown = job_event(ALICE, "a.pdf", uuid_v4()),
                 other = job_event(ALICE, "b.pdf", job), foreign = job_event(BOB, "a.pdf", job);
    assert_int_equal(claim_of(fixture, 0, &unknown), CLAIM_NO_ITEM);
    assert_int_equal(claim_of(fixture, 0, &other), CLAIM_NO_ITEM);
    assert_int_equal(claim_of(fixture, 0, &foreign), CLAIM_NO_ITEM);
    assert_string_equal(sql("select count(*) from documents"), "1");
}

static void test_claim__tells_of_a_used_up_quota(void **state)
{
    struct fixture *fixture = *state;
    struct event first = upload(ALICE, "a.pdf", "v1"), other = upload(ALICE, "b.pdf", "v1"),
                 again = upload(ALICE, "a.pdf", "v2");
    process(fixture, &first, "e1", 1);
    sql("insert into tenant_settings (user_id, documents_max) values ('" ALICE "', 1)");

    assert_int_equal(claim_of(fixture, 0, &other), CLAIM_GO);
    assert_true(other.claim.is_over_quota);
    assert_int_equal(claim_of(fixture, 0, &again), CLAIM_GO);
    assert_false(again.claim.is_over_quota); /* it replaces what is counted already */
}

static void test_claim__tells_the_share_of_its_tenant(void **state)
{
    struct fixture *fixture = *state;
    struct event first = upload(ALICE, "a.pdf", "v1"), other = upload(ALICE, "b.pdf", "v1");
    claim_of(fixture, 0, &first);
    assert_int_equal(first.claim.weight_permille, 0);
    assert_int_equal(first.claim.in_flight_max, 0);

    sql("insert into tenant_settings (user_id, weight, in_flight_max) values ('" ALICE
        "', 2.5, 7)");
    claim_of(fixture, 0, &other);
    assert_int_equal(other.claim.weight_permille, 2500);
    assert_int_equal(other.claim.in_flight_max, 7);
}

/* ---- other modes ----------------------------------------------------------------------------- */

static void test_shared__keeps_tenants_apart_in_one_table_with_vectors(void **state)
{
    struct fixture *fixture = *state;
    struct event alice = upload(ALICE, "a.pdf", "v1"), bob = upload(BOB, "a.pdf", "v1"),
                 newer = upload(ALICE, "a.pdf", "v2");
    process(fixture, &alice, "e1", 2);
    process(fixture, &bob, "e1", 1);
    process(fixture, &newer, "e2", 3);

    assert_string_equal(sql("select string_agg(user_id || ':' || n, ' ' order by n) from (select "
                            "user_id, count(*) n from chunks group by 1) t"),
                        BOB ":1 " ALICE ":3");
    assert_string_equal(sql("select distinct embedding::real[] from chunks"), "{0.5,-1,0.25}");
    assert_string_equal(sql("select count(*) from litter"), "0"); /* no vectors elsewhere */
    assert_reconciled();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        T(test_claim__a_bare_upload_is_a_job_of_one),
        T(test_put__success_makes_the_document_live),
        T(test_put__an_overwrite_flips_the_generation_and_leaves_litter),
        T(test_put__the_same_bytes_again_are_skipped),
        T(test_put__a_failure_drops_what_was_live_and_keep_keeps_it),
        T(test_lease__keeps_others_out_until_it_ends),
        T(test_lease__a_claim_asked_again_with_its_fence_goes_on),
        T(test_finish__asked_again_is_ok_and_changes_nothing),
        T(test_finish__wants_its_staged_rows),
        T(test_release__gives_the_start_back),
        T(test_park__the_item_waits_in_its_row),
        T(test_bare__runs_the_open_item_of_a_job),
        T(test_bare__that_met_a_lease_is_not_settled_by_it),
        T(test_bare__is_not_lost_to_a_cancelled_job),
        T(test_control__reaches_claims_and_intends),
        T(test_claim__knows_its_tenants),
        T(test_claim__refuses_jobs_that_do_not_have_the_document),
        T(test_claim__tells_of_a_used_up_quota),
        T(test_claim__tells_the_share_of_its_tenant),
#undef T
        cmocka_unit_test_setup_teardown(test_shared__keeps_tenants_apart_in_one_table_with_vectors,
                                        fixture_set_up_shared, fixture_tear_down),
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
