#include "worker/help.h"

#include <string.h>

#include "worker/term.h"

#define COLUMNS 80
#define FORM_COLUMNS_MAX 18 /* what is longer has its help on the next line */
#define VARIABLES_BYTES_MAX ((size_t)64 * 1024)
#define MANUAL_DATE "2026-11-21"
#define ABOUT "uploaded documents become searchable vectors"

static const struct option_row EVERYWHERE[] = {
    {"--env-file FILE", "read a .env file; variables that are set already win"},
    {"--json", "for programs: JSON on stdout, one object a line"},
    {"--help", "what a command takes, and every variable"},
};

static const struct {
    enum exit_code code;
    const char *meaning;
} EXIT_CODES[] = {
    {EXIT_DONE, "done"},
    {EXIT_SOME_FAILED, "done, but documents, a check or a verification failed"},
    {EXIT_WRONG_USAGE, "the command line or the configuration is wrong"},
    {EXIT_NOT_FOUND, "there is no such job, document or tenant"},
    {EXIT_UNREACHABLE, "a service is unreachable or refuses"},
    {EXIT_INTERRUPTED, "interrupted, or past a deadline; what was begun goes on"},
    {EXIT_BAD_INPUT, "a file, a link or a manifest cannot be taken; nothing was done"},
    {EXIT_REFUSED, "the job has ended, or the dead letter is settled: nothing was done"},
    {EXIT_BUG, "a bug of ours"},
};

/* ---- plain text ------------------------------------------------------------------------------ */

static void append_spaces(struct buffer *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_append_char(out, ' ');
}

/* Words up to the last column; `column` is where the first one stands, the others begin at indent. */
static void append_folded(struct buffer *out, struct text words, size_t column, size_t indent)
{
    term_append_folded(out, words, (struct term_fold){COLUMNS, column, indent});
}

static void append_row(struct buffer *out, const struct option_row *row, size_t form_columns)
{
    size_t indent = 2 + form_columns + 2, bytes = strlen(row->form);
    buffer_format(out, "  %s", row->form);
    if (bytes > form_columns)
        buffer_append_char(out, '\n');
    append_spaces(out, bytes > form_columns ? indent : indent - 2 - bytes);
    append_folded(out, text_from(row->help), indent, indent);
}

static size_t form_columns_of(const struct command *command)
{
    size_t widest = strlen(EVERYWHERE[0].form);
    for (const struct option_row *row = command->options; row->form; row++) {
        size_t bytes = strlen(row->form);
        widest = bytes > widest && bytes <= FORM_COLUMNS_MAX ? bytes : widest;
    }
    return widest;
}

static void append_variables(struct buffer *out)
{
    AUTO_BUFFER struct buffer rows = buffer_new(VARIABLES_BYTES_MAX);
    config_describe(&rows, false);
    struct text rest = buffer_text(&rows);
    buffer_append_text(out, TEXT("\nEnvironment:\n"));
    while (rest.bytes) {
        struct text help, name = text_cut(text_cut(rest, '\n', &rest), ' ', &help);
        buffer_format(out, "  %.*s\n      ", TEXT_ARGS(name));
        append_folded(out, help, 6, 6);
    }
}

static void append_exit_codes(struct buffer *out)
{
    buffer_append_text(out, TEXT("\nExit codes:\n"));
    for (size_t i = 0; i < COUNT_OF(EXIT_CODES); i++)
        buffer_format(out, "  %2d  %s\n", EXIT_CODES[i].code, EXIT_CODES[i].meaning);
}

void help_append_usage(struct buffer *out, const struct command *const *commands, size_t count)
{
    buffer_format(out, "millrace: " ABOUT "\n\n"
                       "usage: millrace COMMAND [ARGUMENTS] [--env-file FILE] [--json]\n\n");
    for (size_t i = 0; i < count; i++)
        buffer_format(out, "  %-8s  %s\n", commands[i]->name, commands[i]->summary);
    buffer_format(out, "\n`millrace COMMAND --help` says more; `millrace --version` the version;\n"
                       "`millrace --man` prints the manual page.\n");
}

void help_append_command(struct buffer *out, const struct command *command)
{
    size_t form_columns = form_columns_of(command);
    buffer_format(out, "usage: millrace %s ", command->name);
    size_t column = strlen("usage: millrace ") + strlen(command->name) + 1;
    append_folded(out, text_from(command->usage), column, column);
    buffer_format(out, "\n%s\n\n", command->summary);
    for (const struct option_row *row = command->options; row->form; row++)
        append_row(out, row, form_columns);
    for (size_t i = 0; i < COUNT_OF(EVERYWHERE); i++)
        append_row(out, &EVERYWHERE[i], form_columns);
    if (command->note) {
        buffer_append_char(out, '\n');
        append_folded(out, text_from(command->note), 0, 0);
    }
    append_variables(out);
    append_exit_codes(out);
}

/* ---- the manual page ------------------------------------------------------------------------- */

/* Hyphens that may be copied, `code` in bold. */
static void append_troff_word(struct buffer *out, struct text word, bool *is_code)
{
    for (size_t i = 0; i < word.bytes; i++) {
        char c = word.start[i];
        if (c == '\\')
            buffer_append_text(out, TEXT("\\e"));
        else if (c == '-')
            buffer_append_text(out, TEXT("\\-"));
        else if (c == '`')
            buffer_append_text(out, (*is_code = !*is_code) ? TEXT("\\fB") : TEXT("\\fR"));
        else
            buffer_append_char(out, c);
    }
}

/* Text in lines of a page's source, none of which looks like a request. */
static void append_troff(struct buffer *out, struct text words)
{
    bool is_code = false;
    size_t line_start = out->bytes;
    while (words.bytes) {
        struct text word = text_cut(words, ' ', &words);
        bool is_first = out->bytes == line_start;
        bool fits = out->bytes - line_start + 2 * word.bytes < COLUMNS;
        if (!is_first)
            buffer_append_char(out, fits ? ' ' : '\n');
        if (!is_first && !fits)
            line_start = out->bytes;
        bool is_request = text_starts_with(word, TEXT(".")) || text_starts_with(word, TEXT("'"));
        if (out->bytes == line_start && is_request)
            buffer_append_text(out, TEXT("\\&"));
        append_troff_word(out, word, &is_code);
    }
    buffer_append_char(out, '\n');
}

/* "--id UUID": the option in bold, what it takes in italics; of an argument only the latter. */
static void append_form(struct buffer *out, struct text form)
{
    struct text value, name = text_cut(form, ' ', &value);
    bool is_code = false, is_option = text_starts_with(form, TEXT("-"));
    buffer_append_text(out, is_option ? TEXT("\\fB") : TEXT("\\fI"));
    append_troff_word(out, is_option ? name : form, &is_code);
    if (is_option && value.bytes) {
        buffer_append_text(out, TEXT("\\fR \\fI"));
        append_troff_word(out, value, &is_code);
    }
    buffer_append_text(out, TEXT("\\fR\n"));
}

static void append_item(struct buffer *out, struct text form, struct text help)
{
    buffer_append_text(out, TEXT(".TP\n"));
    append_form(out, form);
    append_troff(out, help);
}

static void append_command(struct buffer *out, const struct command *command)
{
    buffer_format(out, ".SS \"millrace %s\"\n", command->name);
    if (command->usage[0]) {
        buffer_format(out, "millrace %s\n", command->name);
        append_troff(out, text_from(command->usage));
        buffer_append_text(out, TEXT(".PP\n"));
    }
    append_troff(out, text_from(command->summary));
    for (const struct option_row *row = command->options; row->form; row++)
        append_item(out, text_from(row->form), text_from(row->help));
    if (!command->note)
        return;
    buffer_append_text(out, TEXT(".PP\n"));
    append_troff(out, text_from(command->note));
}

static void append_environment(struct buffer *out)
{
    AUTO_BUFFER struct buffer rows = buffer_new(VARIABLES_BYTES_MAX);
    config_describe(&rows, false);
    struct text rest = buffer_text(&rows);
    while (rest.bytes) {
        struct text help, name = text_cut(text_cut(rest, '\n', &rest), ' ', &help);
        append_item(out, name, help);
    }
}

void help_append_manual(struct buffer *out, const struct command *const *commands, size_t count)
{
    buffer_format(out, ".TH MILLRACE 1 \"" MANUAL_DATE "\" \"millrace " MILLRACE_VERSION
                       "\" \"User Commands\"\n"
                       ".nh\n.ad l\n" /* names of options stay in one piece */
                       ".SH NAME\nmillrace \\- " ABOUT "\n"
                       ".SH SYNOPSIS\n.B millrace\n.I COMMAND\n[\\fIARGUMENTS\\fR]\n"
                       "[\\fB\\-\\-env\\-file\\fR \\fIFILE\\fR]\n[\\fB\\-\\-json\\fR]\n"
                       ".SH COMMANDS\n");
    for (size_t i = 0; i < count; i++)
        append_command(out, commands[i]);
    buffer_append_text(out, TEXT(".SH OPTIONS\nOf every command:\n"));
    for (size_t i = 0; i < COUNT_OF(EVERYWHERE); i++)
        append_item(out, text_from(EVERYWHERE[i].form), text_from(EVERYWHERE[i].help));
    buffer_append_text(out, TEXT(".SH ENVIRONMENT\n"));
    append_environment(out);
    buffer_append_text(out, TEXT(".SH \"EXIT STATUS\"\n"));
    for (size_t i = 0; i < COUNT_OF(EXIT_CODES); i++) {
        char code[16];
        (void)text_format(code, sizeof(code), "%d", EXIT_CODES[i].code);
        append_item(out, text_from(code), text_from(EXIT_CODES[i].meaning));
    }
}
