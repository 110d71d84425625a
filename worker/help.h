/*
 * help.h - what --help, `millrace` alone and `millrace --man` say: all from the rows of the
 *          commands (cmd.h) and of the options (config.def). Pure.
 *
 * Thread: any.
 */
#ifndef WORKER_HELP_H
#define WORKER_HELP_H

#include "worker/cmd.h"

/* The list of all commands. */
void help_append_usage(struct buffer *out, const struct command *const *commands, size_t count);
/* One command: folded at 80 columns, then the environment and the exit codes. */
void help_append_command(struct buffer *out, const struct command *command);
/* millrace(1), as troff with the macros of man(7). */
void help_append_manual(struct buffer *out, const struct command *const *commands, size_t count);

#endif
