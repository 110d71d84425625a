#include "store/letters.h"

#include <string.h>

#include "store/pg_again.h"

/* $1 user, $2 code, $3 topic, $4 partition, $5 offset, $6 event, $7 older than ms, $8 newer than
 * ms, $9 settled ones too, $10 as of, $11 rows at most; null: not told. */
#define FILTERED                                                                            \
    " from dead_letters d where ($1 is null or user_id = $1) and ($2 is null or code = $2)" \
    " and ($3 is null or topic = $3) and ($4 is null or partition = $4)"                    \
    " and ($5 is null or \"offset\" = $5) and ($6 is null or event_no = $6)"                \
    " and ($7 is null or created_at <= now() - $7 * interval '1 millisecond')"              \
    " and ($8 is null or created_at >= now() - $8 * interval '1 millisecond')"              \
    " and ($9 or resolution is null) and ($10 is null or created_at <= $10::timestamptz)"
#define FILTER_PARAMS 11
#define TIME(column) "to_char(" column " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
/* Of the letter of the same message that has it: headers are never null there. */
#define OF_MESSAGE(column)                                                       \
    "(select m." column " from dead_letters m where (m.topic, m.partition, "     \
    "m.\"offset\") = (d.topic, d.partition, d.\"offset\") and m.headers is not " \
    "null order by m.event_no limit 1)"
#define COLUMNS                                                                            \
    "topic || '/' || partition || '/' || \"offset\" || '/' || event_no, topic, partition," \
    " \"offset\", event_no, code, message, encode(" OF_MESSAGE(                            \
        "key") ", 'escape'), user_id, " TIME("created_at") ", resolution, " TIME("resolved_at") ", resolved_by"
#define NEWEST_FIRST \
    " order by created_at desc, topic, partition, \"offset\" desc, event_no limit $11"
/* What Kafka could not give us is no message; nor is one without a value ever an event. */
#define IS_MESSAGE \
    "(code <> 'unreadable_record' and coalesce(length(" OF_MESSAGE("value") "), 0) > 0)"

/* clang-format off */ /* SQL, a clause a line */
static const char *const STATEMENTS[] = {
    /* ..., $12 spellings of a key */
    [LETTERS_LIST] =
        "select " COLUMNS FILTERED " and ($12 is null or exists (select from unnest($12) k where "
        "position(convert_to(k, 'UTF8') in " OF_MESSAGE("value") ") > 0))" NEWEST_FIRST,
    [LETTERS_SHOW] =
        "select " COLUMNS ", encode(" OF_MESSAGE("key") ", 'hex'), encode(" OF_MESSAGE("value") ", 'hex'), "
        OF_MESSAGE("headers") ", " TIME("event_at") FILTERED NEWEST_FIRST,
    [LETTERS_COUNT] =
        "select count(*), count(distinct (topic, partition, \"offset\")) filter (where " IS_MESSAGE
        "), count(*) filter (where not " IS_MESSAGE "), now()" FILTERED,
    [LETTERS_TAKE] =
        "select d.topic, d.partition, d.\"offset\", encode(m.key, 'hex'), encode(m.value, 'hex'), m.headers, d.events,"
        " (d.events = '0' and not exists (select from dead_letters o where (o.topic, o.partition, o.\"offset\")"
        " = (d.topic, d.partition, d.\"offset\") and o.event_no > 0))::int"
        " from (select topic, partition, \"offset\", string_agg(event_no::text, ',' order by event_no) as events,"
        " min(created_at) as first_at" FILTERED " and " IS_MESSAGE
        " group by 1, 2, 3 order by first_at, 1, 2, 3 limit $11) d,"
        " lateral (select key, value, headers from dead_letters m where (m.topic, m.partition, m.\"offset\")"
        " = (d.topic, d.partition, d.\"offset\") and m.headers is not null order by m.event_no limit 1) m"
        " order by d.first_at, 1, 2, 3",
    /* $1 topics, $2 partitions, $3 offsets, $4 events, $5 who, $6 detail */
    [LETTERS_SETTLE] =
        "with s as (update dead_letters d set resolution = 'replayed', resolved_at = now(),"
        " resolved_by = $5 from unnest($1::text[], $2::int8[], $3::int8[], $4::text[]) e(topic, part, pos, events)"
        " where d.topic = e.topic and d.partition = e.part and d.\"offset\" = e.pos"
        " and d.event_no = any(string_to_array(e.events, ',')::int[])"
        " and d.resolution is null returning 1), n as (select count(*) as n from s),"
        " a as (insert into millrace_actions (who, action, count, detail)"
        " select $5, 'replay', n, $6 from n where n > 0) select n from n",
    /* ..., $12 who, $13 detail */
    [LETTERS_DISCARD] =
        "with c as (select topic, partition, \"offset\", event_no" FILTERED
        " order by created_at limit $11 for update),"
        " s as (update dead_letters d set resolution = 'discarded', resolved_at = now(),"
        " resolved_by = $12 from c where d.topic = c.topic and d.partition = c.partition"
        " and d.\"offset\" = c.\"offset\" and d.event_no = c.event_no and d.resolution is null"
        " returning 1), n as (select count(*) as n from s),"
        " a as (insert into millrace_actions (who, action, count, detail)"
        " select $12, 'discard', n, $13 from n where n > 0) select n from n",
};
/* clang-format on */

static void on_answer(struct pg_again *again, const struct pg_result *rows, const struct error *err)
{
    struct letters *letters = again->owner;
    letters->on_done(letters, rows, err);
}

static struct pg_param number_or_null(struct pg_again *again, size_t slot, bool is_told,
                                      uint64_t number)
{
    return is_told ? pg_param_number(again, slot, number) : (struct pg_param){.type = PG_INT8};
}

static void add_filter(struct pg_again *again, const struct letters *letters)
{
    const struct letter_filter *filter = &letters->filter;
    struct pg_param *params = again->params;
    params[0] = filter->has_user ? pg_param_uuid(&filter->user)
                                 : (struct pg_param){.type = PG_UUID, .is_binary = true};
    params[1] = pg_param_text(filter->code);
    params[2] = pg_param_text(filter->has_place ? filter->place.topic : TEXT_NONE);
    params[3] = number_or_null(again, 0, filter->has_place, filter->place.partition);
    params[4] = number_or_null(again, 1, filter->has_place, filter->place.offset);
    params[5] = number_or_null(again, 2, filter->has_event, filter->place.event_no);
    params[6] = number_or_null(again, 3, filter->older_ms > 0, filter->older_ms);
    params[7] = number_or_null(again, 4, filter->newer_ms > 0, filter->newer_ms);
    params[8] = (struct pg_param){.data = filter->with_settled ? "t" : "f", .type = PG_BOOL};
    params[9] = pg_param_text(letters->as_of[0] ? text_from(letters->as_of) : TEXT_NONE);
    params[10] = pg_param_number(again, 5, letters->row_max);
}

static void append_spelt(struct buffer *out, struct text key, bool keeps_slashes)
{
    static const char PLAIN[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    buffer_clear(out);
    for (size_t i = 0; i < key.bytes; i++) {
        char c = key.start[i];
        if (c == ' ')
            buffer_append_char(out, '+');
        else if ((c && strchr(PLAIN, c)) || (c == '/' && keeps_slashes))
            buffer_append_char(out, c);
        else
            buffer_format(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

/* As it is (EventBridge), as AWS writes it, and as MinIO does. */
static void add_spellings(struct pg_again *again, struct text key)
{
    AUTO_BUFFER struct buffer spelt = buffer_new(3 * key.bytes);
    struct pg_array *spellings = &again->arrays[0];
    *spellings = pg_array_new(PG_TEXT);
    pg_array_add_text(spellings, key);
    append_spelt(&spelt, key, true);
    pg_array_add_text(spellings, buffer_text(&spelt));
    append_spelt(&spelt, key, false);
    pg_array_add_text(spellings, buffer_text(&spelt));
    again->params[FILTER_PARAMS] = pg_array_param(spellings);
    if (!key.bytes)
        again->params[FILTER_PARAMS].data = NULL;
}

static int add_places(struct pg_again *again, const struct letters *letters)
{
    static const uint32_t TYPES[] = {PG_TEXT, PG_INT8, PG_INT8, PG_TEXT};
    for (size_t i = 0; i < COUNT_OF(TYPES); i++)
        again->arrays[i] = pg_array_new(TYPES[i]);
    for (size_t i = 0; i < letters->place_count; i++) {
        const struct letter_place *place = &letters->places[i];
        pg_array_add_text(&again->arrays[0], place->topic);
        pg_array_add_i64(&again->arrays[1], (int64_t)place->partition);
        pg_array_add_i64(&again->arrays[2], (int64_t)place->offset);
        pg_array_add_text(&again->arrays[3], letters->events[i]);
    }
    for (size_t i = 0; i < COUNT_OF(TYPES); i++)
        again->params[i] = pg_array_param(&again->arrays[i]);
    again->params[4] = pg_param_text(letters->who);
    again->params[5] = pg_param_text(letters->detail);
    return 6;
}

void letters_run(struct pg *pg, struct loop *loop, struct letters *letters)
{
    struct pg_again *again = pg_again_new(pg, loop, letters);
    int param_count = FILTER_PARAMS;
    again->on_answer = on_answer;
    if (letters->kind == LETTERS_SETTLE)
        param_count = add_places(again, letters);
    else
        add_filter(again, letters);
    if (letters->kind == LETTERS_LIST) {
        add_spellings(again, letters->filter.mention);
        param_count++;
    }
    if (letters->kind == LETTERS_DISCARD) {
        again->params[FILTER_PARAMS] = pg_param_text(letters->who);
        again->params[FILTER_PARAMS + 1] = pg_param_text(letters->detail);
        param_count += 2;
    }
    pg_again_add(again, STATEMENTS[letters->kind], param_count);
    pg_again_start(again);
}
