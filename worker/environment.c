#include "worker/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "worker/base/memory.h"

#define FILE_BYTES_MAX ((size_t)1024 * 1024)
#define BYTE_ORDER_MARK TEXT("\xef\xbb\xbf") /* some editors begin a file with it */

static struct variable *find(const struct environment *environment, struct text name)
{
    for (size_t i = 0; i < environment->count; i++)
        if (text_equal(text_from(environment->variables[i].name), name))
            return &environment->variables[i];
    return NULL;
}

static void wipe(char *value)
{
    secret_wipe(value, strlen(value));
    xfree(value);
}

void environment_set(struct environment *environment, struct text name, struct text value)
{
    struct variable *known = find(environment, name);
    if (known) {
        wipe(known->value);
        known->value = xstrdup(value);
        return;
    }
    environment->variables =
        xrealloc(environment->variables, environment->count + 1, sizeof(struct variable));
    environment->variables[environment->count++] = (struct variable){xstrdup(name), xstrdup(value)};
}

static void add(struct environment *environment, struct text name, struct text value)
{
    if (!find(environment, name))
        environment_set(environment, name, value);
}

void environment_add_all(struct environment *environment, char *const *environ_list)
{
    for (char *const *at = environ_list; *at; at++) {
        struct text value;
        struct text name = text_cut(text_from(*at), '=', &value);
        if (name.bytes)
            add(environment, name, value);
    }
}

/* The quote that closes a value is the first with nothing but a comment behind it. */
static bool find_closing_quote(struct text value, size_t *ret_at)
{
    char quote = value.bytes ? value.start[0] : '\0';
    for (size_t i = 1; i < value.bytes && (quote == '"' || quote == '\''); i++) {
        struct text rest = text_trim(text_slice(value, i + 1, value.bytes));
        if (value.start[i] == quote && (rest.bytes == 0 || rest.start[0] == '#')) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

/* A comment begins with a # behind white space: passwords and colours may hold one. */
static struct text without_comment(struct text value)
{
    for (size_t i = 1; i < value.bytes; i++)
        if (value.start[i] == '#' && (value.start[i - 1] == ' ' || value.start[i - 1] == '\t'))
            return text_slice(value, 0, i);
    return value;
}

static struct text unquoted(struct text value)
{
    size_t end;
    struct text trimmed = text_trim(value);
    if (find_closing_quote(trimmed, &end))
        return text_slice(trimmed, 1, end);
    return text_trim(without_comment(value));
}

static bool add_line(struct environment *environment, struct text line)
{
    line = text_trim(line);
    if (line.bytes == 0 || line.start[0] == '#')
        return true;
    if (text_starts_with(line, TEXT("export ")))
        line = text_trim(text_slice(line, 7, line.bytes));
    if (!memchr(line.start, '=', line.bytes))
        return false;
    struct text value;
    struct text name = text_trim(text_cut(line, '=', &value));
    if (name.bytes == 0 || memchr(name.start, ' ', name.bytes))
        return false;
    add(environment, name, unquoted(value));
    return true;
}

bool environment_read_file(const char *path, struct buffer *ret_content, struct error *err)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, ERR_CONFIG, errno, path);
    for (;;) {
        char *at = buffer_reserve(ret_content, 4096);
        if (!at)
            return error_set(err, ERR_CONFIG, "%s: larger than %zu KiB", path,
                             ret_content->bytes_max / 1024);
        ssize_t bytes = read(fd, at, 4096);
        if (bytes < 0)
            return error_set_errno(err, ERR_CONFIG, errno, path);
        if (bytes == 0)
            return true;
        ret_content->bytes += (size_t)bytes;
    }
}

bool environment_add_text(struct environment *environment, struct text content, struct error *err)
{
    if (text_starts_with(content, BYTE_ORDER_MARK))
        content = text_slice(content, BYTE_ORDER_MARK.bytes, content.bytes);
    for (unsigned line_no = 1; content.bytes; line_no++)
        if (!add_line(environment, text_cut(content, '\n', &content)))
            return error_set(err, ERR_CONFIG, "line %u: write it as NAME=value", line_no);
    return true;
}

bool environment_add_file(struct environment *environment, const char *path, struct error *err)
{
    AUTO_BUFFER struct buffer content = buffer_new(FILE_BYTES_MAX);
    bool is_good = environment_read_file(path, &content, err) &&
                   (environment_add_text(environment, buffer_text(&content), err) ||
                    error_wrap(err, "%s", path));
    if (content.data)
        secret_wipe(content.data, content.bytes);
    return is_good;
}

const char *environment_get(const struct environment *environment, const char *name)
{
    const struct variable *variable = find(environment, text_from(name));
    return variable ? variable->value : NULL;
}

void environment_release(struct environment *environment)
{
    for (size_t i = 0; i < environment->count; i++) {
        xfree(environment->variables[i].name);
        wipe(environment->variables[i].value);
    }
    xfree(environment->variables);
    *environment = (struct environment){0};
}
