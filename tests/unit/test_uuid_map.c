#include "tests/unit/test.h"
#include "worker/base/uuid_map.h"

#define MANY 1000 /* more than the first buckets */

/* All ids of a family fall into one bucket. */
static struct uuid id_of(uint32_t number, bool is_one_bucket)
{
    struct uuid id = {0};
    memcpy(id.bytes, &number, sizeof(number));
    if (!is_one_bucket)
        memcpy(id.bytes + 12, &number, sizeof(number));
    return id;
}

static void fill(struct uuid_map *map, struct uuid_node nodes[MANY], bool is_one_bucket)
{
    for (uint32_t i = 0; i < MANY; i++) {
        nodes[i] = (struct uuid_node){.id = id_of(i, is_one_bucket)};
        uuid_map_add(map, &nodes[i]);
    }
}

static void test_uuid_map__finds_what_was_added_through_all_growing(void **state)
{
    (void)state;
    static struct uuid_node nodes[MANY];
    for (int is_one_bucket = 0; is_one_bucket < 2; is_one_bucket++) {
        struct uuid_map map = {0};
        fill(&map, nodes, is_one_bucket);
        assert_int_equal(map.count, MANY);
        for (uint32_t i = 0; i < MANY; i++)
            assert_ptr_equal(uuid_map_find(&map, id_of(i, is_one_bucket)), &nodes[i]);
        assert_null(uuid_map_find(&map, id_of(MANY, is_one_bucket)));
        for (uint32_t i = 0; i < MANY; i++)
            uuid_map_remove(&map, &nodes[i]);
        uuid_map_release(&map);
    }
}

static void test_uuid_map__what_is_removed_is_gone_and_nothing_else(void **state)
{
    (void)state;
    static struct uuid_node nodes[MANY];
    struct uuid_map map = {0};
    fill(&map, nodes, true);
    for (uint32_t i = 0; i < MANY; i += 2)
        uuid_map_remove(&map, &nodes[i]);
    assert_int_equal(map.count, MANY / 2);
    for (uint32_t i = 0; i < MANY; i++)
        assert_ptr_equal(uuid_map_find(&map, id_of(i, true)), i % 2 ? &nodes[i] : NULL);
    for (uint32_t i = 1; i < MANY; i += 2)
        uuid_map_remove(&map, &nodes[i]);
    uuid_map_release(&map);
}

static void test_uuid_map__an_empty_one_finds_nothing(void **state)
{
    (void)state;
    struct uuid_map map = {0};
    assert_null(uuid_map_find(&map, id_of(1, false)));
    uuid_map_release(&map);
}

static void test_uuid_map__spreads_ids_of_which_some_bits_are_always_the_same(void **state)
{
    (void)state;
    static struct uuid_node nodes[MANY];
    struct uuid_map map = {0};
    for (uint32_t i = 0; i < MANY; i++) {
        nodes[i] =
            (struct uuid_node){.id = uuid_v5(UUID_NIL, (struct text){(char *)&i, sizeof(i)})};
        uuid_map_add(&map, &nodes[i]);
    }
    size_t used = 0;
    for (size_t i = 0; i < map.bucket_count; i++)
        used += map.buckets[i] != NULL;
    assert_in_range(used, MANY / 2, MANY); /* 638 of 1,024 are to be expected */
    for (uint32_t i = 0; i < MANY; i++)
        uuid_map_remove(&map, &nodes[i]);
    uuid_map_release(&map);
}

struct visits {
    struct uuid_map *map;
    unsigned count;
};

static void remove_it(void *arg, struct uuid_node *node)
{
    struct visits *visits = arg;
    visits->count++;
    uuid_map_remove(visits->map, node);
}

static void test_uuid_map__a_visit_may_remove_its_node(void **state)
{
    (void)state;
    static struct uuid_node nodes[MANY];
    struct uuid_map map = {0};
    struct visits visits = {&map, 0};
    fill(&map, nodes, false);
    uuid_map_each(&map, remove_it, &visits);
    assert_int_equal(visits.count, MANY);
    assert_int_equal(map.count, 0);
    uuid_map_release(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid_map__finds_what_was_added_through_all_growing),
        cmocka_unit_test(test_uuid_map__what_is_removed_is_gone_and_nothing_else),
        cmocka_unit_test(test_uuid_map__an_empty_one_finds_nothing),
        cmocka_unit_test(test_uuid_map__spreads_ids_of_which_some_bits_are_always_the_same),
        cmocka_unit_test(test_uuid_map__a_visit_may_remove_its_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
