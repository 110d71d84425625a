/*
 * millrace dlq: the messages and events that can never become a document: list, show, send again,
 * discard.
 */
#include <stdio.h>
#include <string.h>

#include "worker/dlq.h"

#define MAX_USUAL 100 /* of a replay or a discard */
#define RATE_USUAL 50
#define COUNT_MAX 1000000

static const struct verb {
    const char *name;
    bool (*run)(struct dlq *dlq, struct error *err);
    unsigned needs;
    bool must_choose; /* a letter, a filter or --all */
    bool must_name;   /* a letter */
} VERBS[] = {
    {"ls", dlq_list, NEED_DATABASE, false, false},
    {"show", dlq_show, NEED_DATABASE, false, true},
    {"replay", dlq_replay, NEED_DATABASE | NEED_KAFKA, true, false},
    {"discard", dlq_discard, NEED_DATABASE, true, false},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(VERBS); i++)
        if (strcmp(VERBS[i].name, name) == 0)
            return &VERBS[i];
    return NULL;
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* TOPIC/PARTITION/OFFSET or TOPIC/PARTITION/OFFSET/EVENT, as `ls` prints it. */
static bool read_place(struct dlq *dlq, const char *word, struct error *err)
{
    struct letter_filter *filter = &dlq->filter;
    struct text rest;
    bool fits = text_format(dlq->place, sizeof(dlq->place), "%s", word);
    filter->place.topic = text_cut(text_from(dlq->place), '/', &rest);
    struct text partition = text_cut(rest, '/', &rest), offset = text_cut(rest, '/', &rest);
    filter->has_place = true;
    filter->has_event = rest.bytes > 0;
    if (fits && filter->place.topic.bytes && text_parse_u64(partition, &filter->place.partition) &&
        text_parse_u64(offset, &filter->place.offset) &&
        (!filter->has_event || text_parse_u64(rest, &filter->place.event_no)))
        return true;
    return error_set(err, ERR_USAGE,
                     "%.80s is no dead letter: `millrace dlq ls` prints them as "
                     "TOPIC/PARTITION/OFFSET/EVENT",
                     word);
}

static bool read_count(struct invocation *invocation, const char *name, uint64_t *count,
                       struct error *err)
{
    const char *word = cmd_option(invocation, name);
    if (!word)
        return true;
    if (text_parse_u64(text_from(word), count) && *count >= 1 && *count <= COUNT_MAX)
        return true;
    return error_set(err, ERR_USAGE, "%s takes a number from 1 to %d, not %.40s", name, COUNT_MAX,
                     word);
}

static bool read_reason(struct dlq *dlq, const char *word, struct error *err)
{
    enum error_code code;
    if (!word)
        return true;
    dlq->filter.code = text_from(word);
    return error_code_from_name(dlq->filter.code, &code) ||
           error_set(err, ERR_USAGE, "%.80s is no reason: `millrace dlq ls` shows those there are",
                     word);
}

static void note(struct dlq *dlq, const char *name, const char *word)
{
    size_t at = strlen(dlq->detail);
    if (word)
        (void)text_format(dlq->detail + at, sizeof(dlq->detail) - at, "%s%s%s%.200s", at ? " " : "",
                          name, name[0] && word[0] ? " " : "", word);
}

static bool read_filter(struct dlq *dlq, struct invocation *invocation, struct error *err)
{
    const char *reason = cmd_option(invocation, "--reason");
    const char *older = cmd_option(invocation, "--older");
    const char *newer = cmd_option(invocation, "--newer");
    dlq->user = cmd_option(invocation, "--tenant");
    note(dlq, "--reason", reason);
    note(dlq, "--tenant", dlq->user);
    note(dlq, "--older", older);
    note(dlq, "--newer", newer);
    return read_reason(dlq, reason, err) && ask_age("--older", older, &dlq->filter.older_ms, err) &&
           ask_age("--newer", newer, &dlq->filter.newer_ms, err) &&
           (!dlq->user || ask_user_id(dlq->user, &dlq->filter.user, err));
}

static bool read_choice(struct dlq *dlq, const struct verb *verb, bool takes_all,
                        const struct invocation *invocation, struct error *err)
{
    if (invocation->argc > 2)
        return error_set(err, ERR_USAGE, "%s takes one dead letter at most", verb->name);
    if (invocation->argc == 2) {
        note(dlq, "", invocation->argv[1]);
        return read_place(dlq, invocation->argv[1], err);
    }
    if (verb->must_name)
        return error_set(err, ERR_USAGE, "%s takes a dead letter: TOPIC/PARTITION/OFFSET/EVENT",
                         verb->name);
    if (verb->must_choose && takes_all && !dlq->detail[0])
        note(dlq, "--all", "");
    if (verb->must_choose && !dlq->detail[0])
        return error_set(err, ERR_USAGE,
                         "%s which? Name a dead letter, give a filter, or say --all", verb->name);
    return true;
}

static const struct verb *read_verb(const struct invocation *invocation, struct error *err)
{
    for (int i = 0; i < invocation->argc; i++)
        if (invocation->argv[i][0] == '-') {
            error_set(err, ERR_USAGE, "there is no option %.80s here", invocation->argv[i]);
            return NULL;
        }
    const struct verb *verb = invocation->argc ? find_verb(invocation->argv[0]) : NULL;
    if (!verb)
        error_set(err, ERR_USAGE, "dlq knows these verbs: ls, show, replay, discard");
    return verb;
}

/* NULL: *err says why. */
static const struct verb *read_arguments(struct dlq *dlq, struct invocation *invocation,
                                         struct error *err)
{
    bool takes_all = cmd_flag(invocation, "--all");
    dlq->is_sure = cmd_flag(invocation, "--yes");
    dlq->is_dry = cmd_flag(invocation, "--dry-run");
    dlq->rate = RATE_USUAL;
    if (!read_filter(dlq, invocation, err) ||
        !read_count(invocation, "--max", &dlq->letters_max, err) ||
        !read_count(invocation, "--rate", &dlq->rate, err))
        return NULL;
    const struct verb *verb = read_verb(invocation, err);
    if (!verb)
        return NULL;
    if (verb->must_choose && !dlq->letters_max)
        dlq->letters_max = MAX_USUAL;
    dlq->filter.with_settled = takes_all && !verb->must_choose;
    return read_choice(dlq, verb, takes_all, invocation, err) ? verb : NULL;
}

/* ---- running --------------------------------------------------------------------------------- */

static bool run_verb(struct dlq *dlq, const struct verb *verb, struct error *err)
{
    dlq->filter.has_user = dlq->user != NULL; /* who need not be there: that may be the reason */
    dlq->term = term_on(stdout, environment_get(dlq->config.environment, "NO_COLOR") != NULL);
    return verb->run(dlq, err);
}

static int run_command(struct invocation *invocation)
{
    struct dlq dlq = {.is_json = invocation->is_json};
    struct error err;
    int code = EXIT_WRONG_USAGE;
    operator_name(&invocation->environment, dlq.who);
    const struct verb *verb = read_arguments(&dlq, invocation, &err);
    if (!verb)
        code = cmd_fail(&err);
    else if (cmd_load_config(invocation, verb->needs, &dlq.config))
        code = app_open(&dlq.app, &dlq.config, verb->needs, &err) && run_verb(&dlq, verb, &err)
                   ? EXIT_DONE
                   : cmd_fail(&err);
    app_close(&dlq.app);
    config_release(&dlq.config);
    return code;
}

const struct command dlq_command = {
    .name = "dlq",
    .usage = "ls | show | replay | discard [LETTER] [--reason CODE] [--tenant ID] [--older TIME] "
             "[--newer TIME] [--all] [--max N] [--rate N] [--dry-run] [--yes]",
    .summary = "dead letters: events that can never become a document",
    .options = {{"ls", "those that wait for a person, newest first; with --all settled ones too"},
                {"show", "one of them whole: key, headers, value"},
                {"replay", "send their messages to the topic again, once the reason is mended"},
                {"discard", "settle them for good; the rows stay as a record"},
                {"LETTER", "TOPIC/PARTITION/OFFSET/EVENT, as ls prints it"},
                {"--reason CODE", "those with this reason, such as unknown_tenant"},
                {"--tenant ID", "those that name this user (or demo)"},
                {"--older TIME", "those buried longer ago than, such as 90m, 12h or 7d"},
                {"--newer TIME", "those buried within that time"},
                {"--all", "replay, discard: whatever there is; ls: settled ones too"},
                {"--max N", "at most so many at once [100; ls 50, with --json 10000]"},
                {"--rate N", "replay: messages a second [50]"},
                {"--dry-run", "replay: only say how many"},
                {"--yes", "discard: without it only says how many"}},
    .note = "Who replayed or discarded what, and when, stays in the tables dead_letters and "
            "millrace_actions. A replay counts nothing twice.",
    .may_use_dev = true,
    .run = run_command,
};
