#include "worker/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "worker/base/memory.h"

#define FILE_BYTES_MAX ((size_t)1024 * 1024)

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

static struct text unquoted(struct text value)
{
    value = text_trim(value);
    if (value.bytes >= 2 && (value.start[0] == '"' || value.start[0] == '\'') &&
        value.start[value.bytes - 1] == value.start[0])
        return text_slice(value, 1, value.bytes - 1);
    size_t comment;
    if (text_find(value, TEXT(" #"), &comment))
        return text_trim(text_slice(value, 0, comment));
    return value;
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
            return error_set(err, ERR_CONFIG, "%s: larger than 1 MiB", path);
        ssize_t bytes = read(fd, at, 4096);
        if (bytes < 0)
            return error_set_errno(err, ERR_CONFIG, errno, path);
        if (bytes == 0)
            return true;
        ret_content->bytes += (size_t)bytes;
    }
}

bool environment_add_file(struct environment *environment, const char *path, struct error *err)
{
    AUTO_BUFFER struct buffer content = buffer_new(FILE_BYTES_MAX);
    if (!environment_read_file(path, &content, err))
        return false;
    struct text rest = buffer_text(&content);
    for (unsigned line_no = 1; rest.bytes; line_no++) {
        struct text line = text_cut(rest, '\n', &rest);
        if (!add_line(environment, line))
            return error_set(err, ERR_CONFIG, "%s line %u: write it as NAME=value", path, line_no);
    }
    secret_wipe(content.data, content.bytes);
    return true;
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
