#include "store/steer.h"

#include "store/pg_again.h"
#include "store/sql.h"

static uint64_t number(const struct pg_result *result, size_t column)
{
    uint64_t value;
    return pg_value_u64(result, 0, column, &value) ? value : 0;
}

/* The first two columns of all but the ending of items. */
static void note_state(struct steer *steer, const struct pg_result *result)
{
    struct text status = pg_value(result, 0, 0), control = pg_value(result, 0, 1);
    steer->had_ended =
        !text_equal(status, TEXT("pending")) && !text_equal(status, TEXT("processing"));
    steer->before = text_equal(control, TEXT("pause"))    ? STEER_IS_PAUSED
                    : text_equal(control, TEXT("cancel")) ? STEER_IS_CANCELLED
                                                          : STEER_IS_FREE;
}

static void note_answer(struct steer *steer, const struct pg_result *result)
{
    switch (steer->kind) {
    case STEER_PAUSE:
    case STEER_RESUME:
    case STEER_CANCEL:
        note_state(steer, result);
        steer->was_changed = number(result, 2) > 0;
        steer->open_count = number(result, 3);
        steer->running_count = number(result, 4);
        return;
    case STEER_CANCEL_ITEMS:
        steer->item_count = number(result, 0);
        steer->open_count = number(result, 1);
        break;
    case STEER_RETRY:
        note_state(steer, result);
        steer->item_count = number(result, 2);
        (void)text_format(steer->as_of, sizeof(steer->as_of), "%.*s",
                          TEXT_ARGS(pg_value(result, 0, 3)));
        break;
    }
    steer->was_changed = steer->item_count > 0;
}

static void on_answer(struct pg_again *again, const struct pg_result *result,
                      const struct error *err)
{
    struct steer *steer = again->owner;
    struct error missing;
    char id[UUID_TEXT_BYTES];
    if (!err && pg_row_count(result) == 0) {
        error_set(&missing, ERR_NOT_FOUND, "there is no job %s", uuid_format(steer->job, id));
        err = &missing;
    }
    if (!err)
        note_answer(steer, result);
    steer->on_done(steer, err);
}

static void add_control(struct pg_again *again, const struct steer *steer)
{
    static const char *const WORDS[] = {
        [STEER_PAUSE] = "pause", [STEER_RESUME] = "none", [STEER_CANCEL] = "cancel"};
    again->params[1] = pg_param_text(text_from(WORDS[steer->kind]));
    again->params[2] = pg_param_text(steer->who);
    if (steer->kind != STEER_PAUSE)
        pg_again_add(again, SQL_JOB_UNPARK, 2);
    pg_again_add(again, SQL_JOB_CONTROL, 3);
}

static void add_cancel_items(struct pg_again *again, struct steer *steer)
{
    (void)text_format(steer->message, sizeof(steer->message), "%s %s",
                      error_sentence(ERR_JOB_CANCELLED), error_remedy(ERR_JOB_CANCELLED));
    again->params[1] = pg_param_number(again, 0, STEER_ITEMS_MAX);
    again->params[2] = pg_param_text(text_from(steer->message));
    pg_again_add(again, SQL_JOB_CANCEL_ITEMS, 3);
}

static void add_retry(struct pg_again *again, const struct steer *steer)
{
    again->params[1] = pg_param_number(again, 0, STEER_ITEMS_MAX);
    again->params[2] = pg_param_text(steer->as_of[0] ? text_from(steer->as_of) : TEXT_NONE);
    again->params[3] = pg_param_text(steer->who);
    pg_again_add(again, SQL_JOB_RETRY, 4);
}

void steer_run(struct pg *pg, struct loop *loop, struct steer *steer)
{
    struct pg_again *again = pg_again_new(pg, loop, steer);
    again->on_answer = on_answer;
    again->params[0] = pg_param_uuid(&steer->job);
    if (steer->kind == STEER_CANCEL_ITEMS)
        add_cancel_items(again, steer);
    else if (steer->kind == STEER_RETRY)
        add_retry(again, steer);
    else
        add_control(again, steer);
    pg_again_start(again);
}
