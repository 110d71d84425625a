/*
 * millrace: reads the command line, calls one command, returns its exit code.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "worker/base/memory.h"
#include "worker/cmd.h"
#include "worker/dev_state.h"
#include "worker/help.h"

/* A line each, in the order of the help. */
/* clang-format off */
static const struct command *const COMMANDS[] = {
    &work_command,
    &dev_command,
    &submit_command,
    &estimate_command,
    &search_command,
    &status_command,
    &explain_command,
    &cancel_command,
    &pause_command,
    &resume_command,
    &retry_command,
    &dlq_command,
    &check_command,
    &verify_command,
    &extract_command,
    &chunk_command,
    &migrate_command,
};
/* clang-format on */

extern char **environ;

#define HELP_BYTES_MAX ((size_t)256 * 1024)

static void print_usage(FILE *out)
{
    AUTO_BUFFER struct buffer text = buffer_new(HELP_BYTES_MAX);
    help_append_usage(&text, COMMANDS, COUNT_OF(COMMANDS));
    fputs(buffer_string(&text), out);
}

static int print_help(const struct command *command)
{
    AUTO_BUFFER struct buffer text = buffer_new(HELP_BYTES_MAX);
    help_append_command(&text, command);
    fputs(buffer_string(&text), stdout);
    return EXIT_DONE;
}

static int print_manual(void)
{
    AUTO_BUFFER struct buffer text = buffer_new(HELP_BYTES_MAX);
    help_append_manual(&text, COMMANDS, COUNT_OF(COMMANDS));
    fputs(buffer_string(&text), stdout);
    return EXIT_DONE;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++)
        if (strcmp(COMMANDS[i]->name, name) == 0)
            return COMMANDS[i];
    return NULL;
}

const char *cmd_option(struct invocation *invocation, const char *name)
{
    size_t name_bytes = strlen(name);
    for (int i = 0; i < invocation->argc; i++) {
        const char *argument = invocation->argv[i];
        bool is_joined = strncmp(argument, name, name_bytes) == 0 && argument[name_bytes] == '=';
        bool is_apart = strcmp(argument, name) == 0 && i + 1 < invocation->argc;
        if (!is_joined && !is_apart)
            continue;
        const char *value = is_joined ? argument + name_bytes + 1 : invocation->argv[i + 1];
        int taken = is_joined ? 1 : 2;
        invocation->argc -= taken;
        memmove(invocation->argv + i, invocation->argv + i + taken,
                sizeof(char *) * (size_t)(invocation->argc - i));
        return value;
    }
    return NULL;
}

bool cmd_flag(struct invocation *invocation, const char *name)
{
    for (int i = 0; i < invocation->argc; i++) {
        if (strcmp(invocation->argv[i], name) != 0)
            continue;
        invocation->argc--;
        memmove(invocation->argv + i, invocation->argv + i + 1,
                sizeof(char *) * (size_t)(invocation->argc - i));
        return true;
    }
    return false;
}

bool cmd_no_more_options(const struct invocation *invocation)
{
    for (int i = 0; i < invocation->argc; i++) {
        if (invocation->argv[i][0] != '-')
            continue;
        fprintf(stderr, "millrace: there is no option %s here; see --help\n", invocation->argv[i]);
        return false;
    }
    return true;
}

static bool names_database(const struct environment *environment)
{
    static const char *const pg[] = {"PGHOST", "PGHOSTADDR", "PGPORT",     "PGDATABASE",
                                     "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGSERVICE"};
    for (size_t i = 0; i < COUNT_OF(pg); i++)
        if (environment_get(environment, pg[i]))
            return true;
    for (size_t i = 0; i < environment->count; i++)
        if (text_starts_with(text_from(environment->variables[i].name), TEXT("DATABASE_")))
            return true;
    return false;
}

/* Nothing says which database: then it is that of the `dev` that runs here, with all that belongs
 * to it: its variables replace the shell's. */
static bool use_running_dev(struct invocation *invocation, struct error *err)
{
    char path[STATE_PATH_BYTES];
    struct environment found = {0};
    unsigned count = dev_state_find_running(&invocation->environment, path);
    if (count > 1)
        return error_set(err, ERR_USAGE,
                         "%u `millrace dev` run here: choose one with --env-file FILE, such as %s",
                         count, path);
    if (count == 0)
        return true; /* what is missing is said next */
    if (!environment_add_file(&found, path, err))
        return false;
    for (size_t i = 0; i < found.count; i++)
        environment_set(&invocation->environment, text_from(found.variables[i].name),
                        text_from(found.variables[i].value));
    invocation->uses_dev = true;
    struct text folder = text_from(environment_get(&found, "S3_ENDPOINT"));
    fprintf(stderr, "millrace: using the running `millrace dev %.*s`\n",
            TEXT_ARGS(text_slice(folder, TEXT("file://").bytes, folder.bytes)));
    environment_release(&found);
    return true;
}

bool cmd_find_services(struct invocation *invocation)
{
    struct error err;
    if (!invocation->may_use_dev || names_database(&invocation->environment) ||
        use_running_dev(invocation, &err))
        return true;
    fprintf(stderr, "millrace: %s\n", err.message);
    return false;
}

bool cmd_load_config(struct invocation *invocation, unsigned needs, struct config *ret_config)
{
    AUTO_BUFFER struct buffer problems = buffer_new(64 * 1024);
    if (!cmd_find_services(invocation))
        return false;
    bool is_good = config_load(&invocation->environment, needs, ret_config, &problems);
    if (!is_good)
        fputs("millrace: the configuration cannot be used:\n", stderr);
    struct text rest = buffer_text(&problems);
    while (rest.bytes) {
        struct text line = text_cut(rest, '\n', &rest);
        fprintf(stderr, "  %.*s\n", TEXT_ARGS(line));
    }
    return is_good;
}

static int exit_code_of(enum error_code code)
{
    if (code == ERR_USAGE || code == ERR_CONFIG || code == ERR_SCHEMA || code == ERR_SANDBOX)
        return EXIT_WRONG_USAGE;
    if (code == ERR_NOT_FOUND || code == ERR_NO_TENANT)
        return EXIT_NOT_FOUND;
    if (code == ERR_INPUT)
        return EXIT_BAD_INPUT;
    if (code == ERR_ENDED)
        return EXIT_REFUSED;
    if (code == ERR_BUG)
        return EXIT_BUG;
    return EXIT_UNREACHABLE;
}

int cmd_fail(const struct error *err)
{
    struct text remedy = text_from(error_remedy(err->code));
    size_t promise; /* a worker keeps it, a command ends here */
    if (text_find(remedy, TEXT("; the work "), &promise))
        remedy = text_slice(remedy, 0, promise);
    fprintf(stderr, "millrace: %s\n  %.*s%s\n", err->message, TEXT_ARGS(remedy),
            text_ends_with(remedy, TEXT(".")) ? "" : ".");
    return exit_code_of(err->code);
}

static int run(const struct command *command, struct invocation *invocation)
{
    struct error err;
    const char *env_file = cmd_option(invocation, "--env-file");
    if (cmd_flag(invocation, "--help") || cmd_flag(invocation, "-h"))
        return print_help(command);
    invocation->is_json = cmd_flag(invocation, "--json");
    invocation->may_use_dev = command->may_use_dev;
    environment_add_all(&invocation->environment, environ);
    if (env_file && !environment_add_file(&invocation->environment, env_file, &err))
        return cmd_fail(&err);
    return command->run(invocation);
}

/* As many descriptors as we may have: MILLRACE_TASKS goes to 4096, each with a body and sockets.
 * The soft limit is low for the sake of select(), which nobody calls here. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* else it stays as it is, as the metric tells */
}

int main(int argc, char **argv)
{
    struct invocation invocation = {.program = argv[0], .argc = argc - 2, .argv = argv + 2};
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_WRONG_USAGE : EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("millrace " MILLRACE_VERSION);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--man") == 0)
        return print_manual();
    const struct command *command = find_command(argv[1]);
    if (!command) {
        fprintf(stderr, "millrace: there is no command %s\n\n", argv[1]);
        print_usage(stderr);
        return EXIT_WRONG_USAGE;
    }
    prctl(PR_SET_DUMPABLE, 0); /* keys and document texts stay out of core files */
    raise_descriptor_limit();
    int code = run(command, &invocation);
    environment_release(&invocation.environment);
    return code;
}
