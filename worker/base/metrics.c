#include "worker/base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "worker/base/json.h"

enum kind { COUNTER, GAUGE, HISTOGRAM };
enum labels {
    LABELS_NONE,
    LABELS_ERROR,
    LABELS_STAGE,
    LABELS_OUTCOME,
    LABELS_EVENT_OUTCOME,
    LABELS_LANE,
    LABELS_RESULT
};

struct row {
    enum kind kind;
    const char *name, *label;
    enum labels labels;
    const char *help;
};

static const struct row ROWS[METRIC_COUNT] = {
#define X(kind, id, name, label, values, help) \
    [METRIC_##id] = {kind, name, label, LABELS_##values, help},
#include "worker/base/metrics.def"
#undef X
};

/* 5 ms .. 5 min: from a batched claim to a large document. */
static const double BUCKET_SECONDS[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                        2.5,   5,    10,    30,   60,  120,  300};
#define BUCKET_COUNT COUNT_OF(BUCKET_SECONDS)
#define LABEL_VALUES_MAX ERROR_CODE_COUNT /* the largest of the enums */
static_assert(LABEL_VALUES_MAX >= METRIC_STAGES_MAX, "stages are labels too");

struct histogram {
    uint64_t buckets[BUCKET_COUNT + 1]; /* each for itself; the last takes the rest */
    uint64_t count;
    double sum_seconds;
};

static uint64_t counters[METRIC_COUNT][LABEL_VALUES_MAX];
static double gauges[METRIC_COUNT][LABEL_VALUES_MAX];
static struct histogram histograms[METRIC_COUNT][METRIC_STAGES_MAX];
static const char *stage_names[METRIC_STAGES_MAX];

/* These two words sets are frozen here: documents.status and invariant 1 speak the same. */
static const char *const OUTCOME_NAMES[] = {"success", "skipped", "failed", "cancelled"};
static const char *const EVENT_OUTCOME_NAMES[EVENT_OUTCOME_COUNT] = {
    [EVENT_OUTCOME_ITEM] = "item",           [EVENT_OUTCOME_REMOVAL] = "removal",
    [EVENT_OUTCOME_DUPLICATE] = "duplicate", [EVENT_OUTCOME_IGNORED] = "ignored",
    [EVENT_OUTCOME_PARKED] = "parked",       [EVENT_OUTCOME_DEAD_LETTER] = "dead_letter",
};
static const char *const LANE_NAMES[LANE_COUNT] = {
    [LANE_EMBED] = "embed",
    [LANE_STORE] = "store",
    [LANE_OBJECT] = "object",
    [LANE_OTHER] = "other",
};
static const char *const RESULT_NAMES[RESULT_COUNT] = {
    [RESULT_OK] = "ok",
    [RESULT_FAILED] = "failed",
    [RESULT_KILLED] = "killed",
};

static unsigned label_count(enum labels labels)
{
    switch (labels) {
    case LABELS_NONE:
        return 1;
    case LABELS_ERROR:
        return ERROR_CODE_COUNT;
    case LABELS_STAGE:
        return METRIC_STAGES_MAX;
    case LABELS_OUTCOME:
        return COUNT_OF(OUTCOME_NAMES);
    case LABELS_EVENT_OUTCOME:
        return EVENT_OUTCOME_COUNT;
    case LABELS_LANE:
        return LANE_COUNT;
    case LABELS_RESULT:
        return RESULT_COUNT;
    }
    return 0;
}

/* NULL: this value has no name (yet), and no sample. */
static const char *label_value(enum labels labels, unsigned value)
{
    switch (labels) {
    case LABELS_NONE:
        return "";
    case LABELS_ERROR:
        return error_name((enum error_code)value);
    case LABELS_STAGE:
        return stage_names[value];
    case LABELS_OUTCOME:
        return OUTCOME_NAMES[value];
    case LABELS_EVENT_OUTCOME:
        return EVENT_OUTCOME_NAMES[value];
    case LABELS_LANE:
        return LANE_NAMES[value];
    case LABELS_RESULT:
        return RESULT_NAMES[value];
    }
    return NULL;
}

static const struct row *row_of(enum metric metric, unsigned label)
{
    assert(metric < METRIC_COUNT && label < label_count(ROWS[metric].labels));
    return &ROWS[metric];
}

/* ---- writing --------------------------------------------------------------------------------- */

/* name_suffix{label="value",le="bound"}, each part only where there is one. */
static void write_series(struct buffer *out, const struct row *row, const char *suffix,
                         const char *value, const char *bound)
{
    buffer_format(out, "%s%s", row->name, suffix);
    if (row->label || bound)
        buffer_append_char(out, '{');
    if (row->label)
        buffer_format(out, "%s=\"%s\"%s", row->label, value, bound ? "," : "");
    if (bound)
        buffer_format(out, "le=\"%s\"", bound);
    if (row->label || bound)
        buffer_append_char(out, '}');
    buffer_append_char(out, ' ');
}

static void write_double(struct buffer *out, double value)
{
    char text[JSON_NUMBER_BYTES_MAX];
    buffer_append_text(out, text_from(isfinite(value) ? json_format_number(value, text) : "NaN"));
    buffer_append_char(out, '\n');
}

static void write_histogram(struct buffer *out, const struct row *row, const char *value,
                            const struct histogram *histogram)
{
    uint64_t below = 0;
    for (size_t i = 0; i <= BUCKET_COUNT; i++) {
        char bound[JSON_NUMBER_BYTES_MAX] = "+Inf";
        if (i < BUCKET_COUNT)
            json_format_number(BUCKET_SECONDS[i], bound);
        below += histogram->buckets[i];
        write_series(out, row, "_bucket", value, bound);
        buffer_format(out, "%" PRIu64 "\n", below);
    }
    write_series(out, row, "_sum", value, NULL);
    write_double(out, histogram->sum_seconds);
    write_series(out, row, "_count", value, NULL);
    buffer_format(out, "%" PRIu64 "\n", histogram->count);
}

static void write_sample(struct buffer *out, enum metric metric, unsigned label)
{
    const struct row *row = &ROWS[metric];
    const char *value = label_value(row->labels, label);
    if (!value)
        return;
    switch (row->kind) {
    case COUNTER:
        write_series(out, row, "", value, NULL);
        buffer_format(out, "%" PRIu64 "\n", counters[metric][label]);
        return;
    case GAUGE:
        write_series(out, row, "", value, NULL);
        write_double(out, gauges[metric][label]);
        return;
    case HISTOGRAM:
        write_histogram(out, row, value, &histograms[metric][label]);
        return;
    }
}

/* ---- public ---------------------------------------------------------------------------------- */

void metric_add(enum metric metric, unsigned label, uint64_t by)
{
    assert(row_of(metric, label)->kind == COUNTER);
    counters[metric][label] += by;
}

void metric_set(enum metric metric, unsigned label, double value)
{
    assert(row_of(metric, label)->kind == GAUGE);
    gauges[metric][label] = value;
}

void metric_observe(enum metric metric, unsigned label, double seconds)
{
    assert(row_of(metric, label)->kind == HISTOGRAM && label < METRIC_STAGES_MAX);
    struct histogram *histogram = &histograms[metric][label];
    if (!(seconds > 0))
        seconds = 0; /* clocks of two machines may disagree about which came first */
    size_t bucket = 0;
    while (bucket < BUCKET_COUNT && seconds > BUCKET_SECONDS[bucket])
        bucket++;
    histogram->buckets[bucket]++;
    histogram->count++;
    histogram->sum_seconds += seconds;
}

double metric_value(enum metric metric, unsigned label)
{
    switch (row_of(metric, label)->kind) {
    case COUNTER:
        return (double)counters[metric][label];
    case GAUGE:
        return gauges[metric][label];
    case HISTOGRAM:
        return (double)histograms[metric][label].count;
    }
    return 0;
}

void metrics_name_stage(unsigned stage, const char *name)
{
    assert(stage < METRIC_STAGES_MAX);
    stage_names[stage] = name;
}

void metrics_write(struct buffer *out)
{
    static const char *const kind_names[] = {
        [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};
    for (unsigned metric = 0; metric < METRIC_COUNT; metric++) {
        const struct row *row = &ROWS[metric];
        buffer_format(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                      kind_names[row->kind]);
        for (unsigned label = 0; label < label_count(row->labels); label++)
            write_sample(out, (enum metric)metric, label);
    }
}

void metrics_reset(void)
{
    memset(counters, 0, sizeof(counters));
    memset(gauges, 0, sizeof(gauges));
    memset(histograms, 0, sizeof(histograms));
    memset(stage_names, 0, sizeof(stage_names));
}
