/*
 * cmd.h - the commands of `millrace`: one row and one function each.
 *
 * Results go to stdout, talk to stderr; a program reads --json.
 */
#ifndef WORKER_CMD_H
#define WORKER_CMD_H

#include "worker/app.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_SOME_FAILED = 1, /* done, but documents, a check or a verification failed */
    EXIT_WRONG_USAGE = 2, /* usage or configuration */
    EXIT_NOT_FOUND = 3,   /* no such job, document or tenant */
    EXIT_UNREACHABLE = 4, /* a service is unreachable or refuses */
    EXIT_INTERRUPTED = 5, /* or past a deadline */
    EXIT_BAD_INPUT = 6,   /* a file, link or manifest cannot be taken; nothing was done */
    EXIT_REFUSED = 7,     /* a job or a dead letter is past that */
    EXIT_BUG = 70,
};

struct invocation { /* what main.c has read before it calls a command */
    struct environment environment;
    const char *program;
    int argc; /* what follows the command's name, global options taken out */
    char **argv;
    bool is_json;     /* --json */
    bool may_use_dev; /* of struct command */
    bool uses_dev;    /* after cmd_load_config(): its services are those of a running `dev` */
};

struct option_row {
    const char *form; /* "--id UUID", or the name of an argument: "TENANT" */
    const char *help; /* without line breaks; --help and the manual page fold it */
};
#define COMMAND_OPTIONS_MAX 16

/* Each is defined in its own file; main.c lists them. --help and the manual page come from it. */
struct command {
    const char *name;
    const char *usage;                              /* "[JOB] [--user ID]" */
    const char *summary;                            /* one line, no full stop */
    struct option_row options[COMMAND_OPTIONS_MAX]; /* up to the first without a form */
    const char *note; /* what else is to be said, in whole sentences; may be NULL */
    bool may_use_dev; /* a running `dev` serves it when no database is configured */
    int (*run)(struct invocation *invocation);
};

extern const struct command work_command;
extern const struct command dev_command;
extern const struct command submit_command;
extern const struct command estimate_command;
extern const struct command search_command;
extern const struct command status_command;
extern const struct command explain_command;
extern const struct command cancel_command;
extern const struct command pause_command;
extern const struct command resume_command;
extern const struct command retry_command;
extern const struct command dlq_command;
extern const struct command check_command;
extern const struct command verify_command;
extern const struct command extract_command;
extern const struct command chunk_command;
extern const struct command migrate_command;

/* When no database is configured: the environment of a running `dev`, if there is one. False: which
 * of several? It has been said. cmd_load_config() begins with it. */
bool cmd_find_services(struct invocation *invocation) MUST_CHECK;
/* Loads the configuration, or that of a running `dev`; prints every problem and returns false when
 * it cannot be used. */
bool cmd_load_config(struct invocation *invocation, unsigned needs,
                     struct config *ret_config) MUST_CHECK;
/* "millrace: message. remedy" on stderr; the exit code that fits the error. */
int cmd_fail(const struct error *err);
/* Takes `--name VALUE` or `--name=VALUE` out of the arguments; NULL: not there. */
const char *cmd_option(struct invocation *invocation, const char *name);
bool cmd_flag(struct invocation *invocation, const char *name);
/* False, and says which, when an argument is left that begins with '-'. */
bool cmd_no_more_options(const struct invocation *invocation) MUST_CHECK;

#endif
