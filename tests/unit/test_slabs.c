#include "tests/unit/test.h"
#include "worker/slabs.h"

static void test_slabs__everybody_always_gets_a_first_one(void **state)
{
    (void)state;
    struct slabs *slabs = slabs_new(3, 2);
    struct slab_user users[3];
    struct slab *taken[3];
    for (size_t i = 0; i < 3; i++)
        slabs_join(slabs, &users[i]);

    taken[0] = slabs_take(slabs, &users[0]);
    assert_non_null(taken[0]);
    assert_null(slabs_take(slabs, &users[0])); /* the other two are owed to the others */
    for (size_t i = 1; i < 3; i++) {
        taken[i] = slabs_take(slabs, &users[i]);
        assert_non_null(taken[i]);
    }

    for (size_t i = 0; i < 3; i++) {
        slabs_give(slabs, &users[i], taken[i]);
        slabs_leave(slabs, &users[i]);
    }
    slabs_free(slabs);
}

static void test_slabs__one_alone_takes_what_nobody_is_owed_up_to_its_share(void **state)
{
    (void)state;
    struct slabs *slabs = slabs_new(20, 2);
    struct slab_user user;
    struct slab *taken[8];
    slabs_join(slabs, &user);
    for (size_t i = 0; i < 8; i++) {
        taken[i] = slabs_take(slabs, &user);
        assert_non_null(taken[i]);
    }
    assert_null(slabs_take(slabs, &user));
    assert_int_equal(user.slab_count, 8);
    slabs_give(slabs, &user, taken[7]);
    taken[7] = slabs_take(slabs, &user);
    assert_non_null(taken[7]);
    for (size_t i = 0; i < 8; i++)
        slabs_give(slabs, &user, taken[i]);
    slabs_leave(slabs, &user);
    slabs_free(slabs);
}

static unsigned rooms;

static void on_room(struct slab_user *user)
{
    (void)user;
    rooms++;
}

static void test_slabs__a_late_comer_waits_for_the_second_ones_of_others(void **state)
{
    (void)state;
    struct slabs *slabs = slabs_new(2, 2);
    struct slab_user early, late = {.on_room = on_room};
    slabs_join(slabs, &early);
    struct slab *first = slabs_take(slabs, &early), *second = slabs_take(slabs, &early);
    assert_non_null(second);
    slabs_join(slabs, &late);
    assert_null(slabs_take(slabs, &late));
    assert_int_equal(rooms, 0);

    slabs_give(slabs, &early, second);
    assert_int_equal(rooms, 1);
    assert_null(slabs_take(slabs, &early)); /* it is owed to who has none */
    struct slab *taken = slabs_take(slabs, &late);
    assert_non_null(taken);

    slabs_give(slabs, &late, taken);
    slabs_leave(slabs, &late);
    slabs_give(slabs, &early, first);
    slabs_leave(slabs, &early);
    slabs_free(slabs);
}

static void test_slabs__who_gives_the_last_one_back_is_owed_one_again(void **state)
{
    (void)state;
    struct slabs *slabs = slabs_new(2, 2);
    struct slab_user one, two;
    slabs_join(slabs, &one);
    slabs_join(slabs, &two);
    struct slab *first = slabs_take(slabs, &one);
    slabs_give(slabs, &one, first);
    struct slab *other = slabs_take(slabs, &two);
    assert_null(slabs_take(slabs, &two));
    first = slabs_take(slabs, &one);
    assert_non_null(first);
    slabs_give(slabs, &one, first);
    slabs_leave(slabs, &one);
    struct slab *more = slabs_take(slabs, &two); /* one has left: nobody is owed */
    assert_non_null(more);
    slabs_give(slabs, &two, more);
    slabs_give(slabs, &two, other);
    slabs_leave(slabs, &two);
    slabs_free(slabs);
}

static void test_slabs__a_slab_comes_back_empty_and_whole(void **state)
{
    (void)state;
    struct slabs *slabs = slabs_new(1, 4);
    struct slab_user user;
    slabs_join(slabs, &user);
    struct slab *slab = slabs_take(slabs, &user);
    slab->count = SLAB_CHUNKS_MAX;
    slab->vectors[SLAB_CHUNKS_MAX * 4 - 1] = 1; /* room for all of them */
    assert_non_null(arena_alloc(&slab->arena, 1024 * 1024));
    assert_null(arena_alloc(&slab->arena, 1));
    slabs_give(slabs, &user, slab);

    slab = slabs_take(slabs, &user);
    assert_int_equal(slab->count, 0);
    assert_non_null(arena_alloc(&slab->arena, 1024 * 1024));
    for (size_t i = 0; i < SLAB_CHUNKS_MAX; i++)
        assert_ptr_equal(slab->pointers[i], &slab->chunks[i]);

    slabs_give(slabs, &user, slab);
    slabs_leave(slabs, &user);
    slabs_free(slabs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slabs__everybody_always_gets_a_first_one),
        cmocka_unit_test(test_slabs__one_alone_takes_what_nobody_is_owed_up_to_its_share),
        cmocka_unit_test(test_slabs__a_late_comer_waits_for_the_second_ones_of_others),
        cmocka_unit_test(test_slabs__who_gives_the_last_one_back_is_owed_one_again),
        cmocka_unit_test(test_slabs__a_slab_comes_back_empty_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
