#include "extract/format.h"

static const char *const MIME_TYPES[FORMAT_COUNT] = {
    [FORMAT_UNKNOWN] = "application/octet-stream",
    [FORMAT_PDF] = "application/pdf",
    [FORMAT_PLAIN] = "text/plain",
    [FORMAT_MARKDOWN] = "text/markdown",
    [FORMAT_HTML] = "text/html",
    [FORMAT_DOCX] = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    [FORMAT_ODT] = "application/vnd.oasis.opendocument.text",
};

/* What has a star or a number sign at the start of a line for other reasons is listed as plain. */
static const struct {
    const char *ending;
    enum format format;
} ENDINGS[] = {
    {"pdf", FORMAT_PDF},      {"md", FORMAT_MARKDOWN},    {"markdown", FORMAT_MARKDOWN},
    {"mkd", FORMAT_MARKDOWN}, {"mdown", FORMAT_MARKDOWN}, {"mdx", FORMAT_MARKDOWN},
    {"qmd", FORMAT_MARKDOWN}, {"rmd", FORMAT_MARKDOWN},   {"html", FORMAT_HTML},
    {"htm", FORMAT_HTML},     {"xhtml", FORMAT_HTML},     {"xht", FORMAT_HTML},
    {"shtml", FORMAT_HTML},   {"docx", FORMAT_DOCX},      {"docm", FORMAT_DOCX},
    {"odt", FORMAT_ODT},      {"txt", FORMAT_PLAIN},      {"text", FORMAT_PLAIN},
    {"log", FORMAT_PLAIN},    {"csv", FORMAT_PLAIN},      {"tsv", FORMAT_PLAIN},
    {"json", FORMAT_PLAIN},   {"jsonl", FORMAT_PLAIN},    {"xml", FORMAT_PLAIN},
    {"yaml", FORMAT_PLAIN},   {"yml", FORMAT_PLAIN},      {"toml", FORMAT_PLAIN},
    {"ini", FORMAT_PLAIN},    {"conf", FORMAT_PLAIN},     {"cfg", FORMAT_PLAIN},
    {"tex", FORMAT_PLAIN},    {"rst", FORMAT_PLAIN},      {"adoc", FORMAT_PLAIN},
    {"org", FORMAT_PLAIN},    {"sql", FORMAT_PLAIN},      {"sh", FORMAT_PLAIN},
    {"py", FORMAT_PLAIN},     {"c", FORMAT_PLAIN},        {"h", FORMAT_PLAIN},
    {"js", FORMAT_PLAIN},     {"ts", FORMAT_PLAIN},       {"css", FORMAT_PLAIN},
    {"java", FORMAT_PLAIN},   {"go", FORMAT_PLAIN},       {"rs", FORMAT_PLAIN},
    {"srt", FORMAT_PLAIN},    {"vtt", FORMAT_PLAIN},      {"diff", FORMAT_PLAIN},
};

struct text format_mime_type(enum format format)
{
    return text_from(MIME_TYPES[format]);
}

enum format format_of_name(struct text name)
{
    size_t dot = name.bytes;
    while (dot > 0 && name.start[dot - 1] != '.' && name.start[dot - 1] != '/')
        dot--;
    if (dot == 0 || name.start[dot - 1] == '/')
        return FORMAT_UNKNOWN;
    struct text ending = text_slice(name, dot, name.bytes);
    for (size_t i = 0; i < COUNT_OF(ENDINGS); i++)
        if (text_equal_nocase(ending, text_from(ENDINGS[i].ending)))
            return ENDINGS[i].format;
    return FORMAT_UNKNOWN;
}
