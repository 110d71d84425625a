#include "worker/collect.h"

#include <string.h>

#include "worker/base/json.h"
#include "worker/manifest.h"

#define LINE_BYTES_MAX ((size_t)16 * 1024)
#define SKIPPED_SHOWN 10
#define FAULTS_SHOWN 100

bool collect_options(struct invocation *invocation, struct collect *ret_collect, struct error *err)
{
    *ret_collect = (struct collect){.is_json = invocation->is_json,
                                    .trusts_links = cmd_flag(invocation, "--trust-links")};
    for (const char *path; (path = cmd_option(invocation, "--manifest"));) {
        if (ret_collect->manifest_count == COLLECT_MANIFESTS_MAX)
            return error_set(err, ERR_USAGE, "--manifest may stand there %d times at most",
                             COLLECT_MANIFESTS_MAX);
        ret_collect->manifests[ret_collect->manifest_count++] = path;
    }
    return true;
}

void collect_sources(const struct collect *collect, const struct invocation *invocation, int first,
                     struct sources *sources)
{
    enum manifest_format format;
    sources->options.trusts_links = collect->trusts_links;
    for (size_t i = 0; i < collect->manifest_count; i++)
        sources_add_manifest(sources, collect->manifests[i]);
    for (int i = first; i < invocation->argc; i++) {
        const char *word = invocation->argv[i];
        bool is_here = !strstr(word, "://");
        if (is_here && manifest_format_of(text_from(word), &format))
            sources_add_manifest(sources, word);
        else
            sources_add_argument(sources, word);
    }
}

/* ---- telling --------------------------------------------------------------------------------- */

static void append_note(struct buffer *out, const struct source_note *note)
{
    if (note->place.manifest)
        buffer_format(out, "%s line %llu: ", note->place.manifest,
                      (unsigned long long)note->place.line);
    term_append_foreign(out, text_from(note->text), LINE_BYTES_MAX / 2);
}

static void append_note_json(struct buffer *out, const char *kind, const struct source_note *note)
{
    struct json_writer writer = json_writer_new(out);
    json_open_object(&writer, NULL);
    json_write_text(&writer, "kind", text_from(kind));
    if (note->place.manifest) {
        json_write_text(&writer, "manifest", text_from(note->place.manifest));
        json_write_u64(&writer, "line", note->place.line);
    }
    json_write_text(&writer, "message", text_from(note->text));
    json_close_object(&writer);
}

static void tell_notes(const struct source_notes *notes, const char *kind, const char *start,
                       size_t shown)
{
    bool is_json = start == NULL;
    for (size_t i = 0; i < notes->count && (is_json || i < shown); i++) {
        AUTO_BUFFER struct buffer line = buffer_new(LINE_BYTES_MAX);
        if (is_json)
            append_note_json(&line, kind, &notes->items[i]);
        else {
            buffer_append_text(&line, text_from(start));
            append_note(&line, &notes->items[i]);
        }
        buffer_append_char(&line, '\n');
        term_write(is_json ? stdout : stderr, buffer_text(&line));
    }
    if (!is_json && notes->count > shown) {
        char rest[96];
        (void)text_format(rest, sizeof(rest), "%sand %zu more; --json shows all\n", start,
                          notes->count - shown);
        term_write(stderr, text_from(rest));
    }
}

static bool tell(const struct collect *collect, const struct sources *sources, struct error *err)
{
    const char *start = collect->is_json ? NULL : "millrace: ";
    tell_notes(&sources->skipped, "skipped",
               collect->is_json ? NULL : "millrace: left out: ", SKIPPED_SHOWN);
    tell_notes(&sources->faults, "fault", start, FAULTS_SHOWN);
    if (sources->faults.count)
        return error_set(err, ERR_INPUT, "%zu %s in what was handed in", sources->faults.count,
                         sources->faults.count == 1 ? "fault" : "faults");
    return sources->count ||
           error_set(err, ERR_INPUT, "there is no document in what was handed in");
}

static bool has_more_to_see(const struct sources *sources)
{
    bool needs_look = sources->prefix_count > 0;
    for (size_t i = 0; i < sources->count; i++)
        needs_look |= sources->items[i].needs_look;
    return needs_look;
}

bool collect_look_here(const struct collect *collect, struct sources *sources, struct error *err)
{
    if (has_more_to_see(sources) || sources->faults.count == 0)
        return true;
    sources_close(sources);
    return tell(collect, sources, err);
}

bool collect_look(const struct collect *collect, struct sources *sources, struct app *app,
                  struct error *err)
{
    struct error told;
    bool is_seen = sources_look(sources, app, err);
    sources_close(sources);
    if (is_seen)
        return tell(collect, sources, err);
    if (sources->faults.count)
        (void)tell(collect, sources,
                   &told); /* what is known by now; the service's failure counts */
    return false;
}
