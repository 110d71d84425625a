#include "worker/app.h"

#include "chunker/tokens.h"
#include "embed/embed.h"
#include "extract/extract.h"
#include "queue/object.h"
#include "store/ledger.h"
#include "store/schema.h"
#include "store/vectors.h"
#include "worker/base/budget.h"
#include "worker/base/log.h"
#include "worker/chunking.h"

#define EMBED_INPUTS_MAX 256    /* research/embed_store.md 9.3: a retry never throws away much */
#define EMBED_TOKENS_MAX 270000 /* of OpenAI's 300,000 */
#define EMBED_BODY_BYTES_MAX ((uint64_t)5 * 1024 * 1024)
#define EMBED_BACKOFF_MS 500
#define EMBED_PROBE_MS 10000
#define CALL_TIMEOUT_MS 60000
#define STORE_TIMEOUT_MS 30000 /* protocol point 4 */

struct extract_limits app_extract_limits(const struct config *config)
{
    struct extract_limits limits = extract_limits_default();
    limits.memory_bytes = config->extract_memory;
    limits.cpu_seconds = (uint32_t)(config->extract_cpu / 1000);
    limits.page_timeout_ms = config->extract_page_timeout;
    limits.wall_ms = config->extract_timeout;
    limits.wall_page_ms = config->extract_timeout_page;
    limits.wall_max_ms = config->extract_timeout_max;
    limits.pages_max = config->extract_pages_max;
    limits.page_text_bytes_max = config->extract_page_text;
    limits.text_bytes_max = config->extract_text;
    limits.range_pages = config->extract_range_pages;
    return limits;
}

bool app_has_vectors_in_postgres(const struct app *app)
{
    return app->config->vector_store != CONFIG_PINECONE;
}

static void name_pipeline(struct app *app)
{
    const struct config *config = app->config;
    bool is_local = config->embedder == CONFIG_LOCAL;
    AUTO_BUFFER struct buffer chunking = buffer_new(sizeof(app->pipeline));
    chunking_describe(config, &chunking);
    /* The model last: where its name is too long, nothing else is cut off. */
    (void)text_format(app->pipeline, sizeof(app->pipeline), "%s %s %u %s", extract_version(),
                      buffer_string(&chunking), config->embedding_dimensions,
                      is_local ? "local" : config->embedding_model.start);
}

static bool open_database(struct app *app, struct error *err)
{
    struct pg_options options = {
        .url = app->config->conninfo,
        .application_name = TEXT("millrace"),
        .control_schema = app->config->db_control_schema,
        .connect_timeout_ms = 10000,
        .statement_timeout_ms = 20000, /* a dead connection is known 5 s later: within 30 s */
        .lock_timeout_ms = 10000,
        .transactions_max = 16,
    };
    app->pg = pg_open(app->loop, &options, err);
    return app->pg != NULL;
}

static const struct environment *credential_source;

static const char *get_credential(const char *name)
{
    return environment_get(credential_source, name);
}

static bool open_objects(struct app *app, struct error *err)
{
    const struct config *config = app->config;
    credential_source = config->environment;
    struct objects_options options = {
        .endpoint = config->s3_endpoint,
        .region = config->aws_region,
        .shared_prefix = config->file_shared_prefix,
        .allows_private_links = config->links_allow_private,
        .sse_customer_key = config->s3_sse_customer_key,
        .requester_pays = config->s3_requester_pays,
        .is_path_style = config->s3_path_style,
        .bytes_max = config->file_bytes_max,
        .timeout_ms = 5 * CALL_TIMEOUT_MS,
        .connections_max = 32,
        .getenv = get_credential,
    };
    app->objects = objects_open(app->loop, &options, err);
    return app->objects != NULL;
}

static bool open_extract(struct app *app, struct error *err)
{
    struct extract_options options = {.slots_max = app->config->slots};
    app->extract = extract_open(app->loop, &options, err);
    return app->extract != NULL;
}

static bool open_embed(struct app *app, struct error *err)
{
    const struct config *config = app->config;
    bool is_exact =
        tokens_are_exact(config->embedding_model) && chunking_of(config).counting == CHUNKER_CL100K;
    struct embed_options options = {
        .engine = config->embedder == CONFIG_LOCAL ? EMBED_LOCAL : EMBED_OPENAI,
        .server = (enum embed_server_kind)config->embedding_server,
        .base_url = config->openai_base_url,
        .api_key = config->openai_api_key,
        .model = config->embedding_model,
        .dimension_count = config->embedding_dimensions,
        .sends_dimensions = config->embedding_sends_dimensions,
        .requests_max = config->embed_requests,
        .inputs_max = EMBED_INPUTS_MAX,
        .input_tokens_max = is_exact ? CHUNKER_TOKENS_MAX : 0,
        .tokens_max = EMBED_TOKENS_MAX,
        .body_bytes_max = EMBED_BODY_BYTES_MAX,
        .timeout_ms = CALL_TIMEOUT_MS,
        .requests_per_minute_max = config->embed_requests_per_minute,
        .tokens_per_minute_max = config->embed_tokens_per_minute,
        .backoff_ms = EMBED_BACKOFF_MS,
        .probe_ms = EMBED_PROBE_MS,
        .budget = app->budget,
    };
    app->embed = embed_open(app->loop, &options, err);
    return app->embed != NULL;
}

static bool open_vectors(struct app *app, struct error *err)
{
    const struct config *config = app->config;
    struct vectors_options options = {
        .engine = app_has_vectors_in_postgres(app) ? VECTORS_POSTGRES : VECTORS_PINECONE,
        .dimension_count = config->embedding_dimensions,
        .host = config->pinecone_index_host,
        .index_name = config->pinecone_index_name,
        .controller = config->pinecone_controller,
        .api_key = config->pinecone_api_key,
        .api_version = config->pinecone_api_version,
        .requests_max = config->store_requests,
        .timeout_ms = STORE_TIMEOUT_MS,
        .budget = app->budget,
        .pg = app->pg,
        .has_user_schemas = config->db_use_user_schemas,
    };
    app->vectors = vectors_open(app->loop, &options, err);
    return app->vectors != NULL;
}

static bool open_ledger(struct app *app, struct error *err)
{
    struct ledger_options options = {
        .vectors_in_postgres = app_has_vectors_in_postgres(app),
        .has_user_schemas = app->config->db_use_user_schemas,
        .dimension_count = app->config->embedding_dimensions,
        .pipeline = text_from(app->pipeline),
        .extracted_text_bytes_max = app->config->extracted_text_bytes,
    };
    app->ledger = ledger_open(app->loop, app->pg, &options, err);
    return app->ledger != NULL;
}

static bool open_all(struct app *app, unsigned needs, struct error *err)
{
    bool has_ledger = (needs & NEED_DATABASE) && (needs & NEED_VECTORS);
    /* Vectors in Postgres need its connection, whatever the command said. */
    bool has_database =
        (needs & NEED_DATABASE) || ((needs & NEED_VECTORS) && app_has_vectors_in_postgres(app));
    return (!(needs & APP_NEEDS_EXTRACT) || open_extract(app, err)) &&
           (!has_database || open_database(app, err)) &&
           (!(needs & NEED_OBJECTS) || open_objects(app, err)) &&
           (!(needs & NEED_EMBED) || open_embed(app, err)) &&
           (!(needs & NEED_VECTORS) || open_vectors(app, err)) &&
           (!has_ledger || open_ledger(app, err));
}

bool app_open(struct app *app, const struct config *config, unsigned needs, struct error *err)
{
    *app = (struct app){.config = config};
    log_configure((enum log_level)config->log_level, (enum log_format)config->log_format);
    if (!tenant_set_schema_prefix(config->db_schema_prefix, err))
        return false;
    name_pipeline(app);
    app->loop = loop_new(err);
    app->budget = budget_new();
    if (app->loop && open_all(app, needs, err))
        return true;
    app_close(app);
    return false;
}

static void count_down(void *arg)
{
    --*(unsigned *)arg;
}

/* Later services may still need what earlier ones stand on: one is closed, then the next. */
static void wait_until_closed(struct app *app, const unsigned *open_count)
{
    while (*open_count)
        loop_run_once(app->loop, 1000);
}

static void close_services(struct app *app)
{
    unsigned open_count = 0;
    if (app->extract && ++open_count)
        extract_close(app->extract, count_down, &open_count);
    wait_until_closed(app, &open_count);
    if (app->embed && ++open_count)
        embed_close(app->embed, count_down, &open_count);
    wait_until_closed(app, &open_count);
    if (app->vectors && ++open_count)
        vectors_close(app->vectors, count_down, &open_count);
    wait_until_closed(app, &open_count);
    if (app->objects && ++open_count)
        objects_close(app->objects, count_down, &open_count);
    wait_until_closed(app, &open_count);
    while (app->ledger && ledger_waiting_count(app->ledger)) /* the last pulse of an ended lease */
        loop_run_once(app->loop, 1000);
    if (app->ledger)
        ledger_close(app->ledger);
    if (app->pg && ++open_count)
        pg_close(app->pg, count_down, &open_count);
    wait_until_closed(app, &open_count);
}

void app_close(struct app *app)
{
    if (app->loop) {
        close_services(app);
        loop_free(app->loop);
    }
    budget_free(app->budget);
    *app = (struct app){0};
}

struct schema_call {
    struct schema_request request;
    struct error err;
    bool is_done, has_failed;
};

static void on_schema(struct schema_request *request, const struct error *err)
{
    struct schema_call *call = container_of(request, struct schema_call, request);
    call->is_done = true;
    call->has_failed = err != NULL;
    if (err)
        call->err = *err;
}

struct schema_options app_schema_options(const struct app *app)
{
    const struct config *config = app->config;
    return (struct schema_options){
        .vectors_in_postgres = app_has_vectors_in_postgres(app),
        .dimension_count = config->embedding_dimensions,
        .has_user_schemas = config->db_use_user_schemas,
        .schema_prefix = config->db_schema_prefix,
        .worker_role = config->db_worker_role,
        .application_role = config->db_application_role,
        .index_rows_min = config->db_index_rows,
    };
}

static struct schema_call schema_call_of(const struct app *app)
{
    return (struct schema_call){
        .request = {.options = app_schema_options(app), .on_done = on_schema}};
}

static bool wait_for(struct app *app, struct schema_call *call, struct error *err)
{
    while (!call->is_done)
        loop_run_once(app->loop, 1000);
    if (call->has_failed)
        *err = call->err;
    return !call->has_failed;
}

/* What the ledger has to know of the schema it writes to, it is told here. */
static bool look_at_schema(struct app *app, struct schema_call *call, struct error *err)
{
    *call = schema_call_of(app);
    schema_check(app->pg, app->loop, &call->request);
    if (!wait_for(app, call, err))
        return false;
    if (app->ledger)
        ledger_stage_halves(app->ledger, call->request.stages_halves);
    return true;
}

bool app_check_schema(struct app *app, struct error *err)
{
    struct schema_call call;
    if (!look_at_schema(app, &call, err))
        return false;
    if (call.request.is_superuser || call.request.is_owner)
        LOG_WARN("database_role_too_strong", FIELD_BOOL("is_superuser", call.request.is_superuser),
                 FIELD_STR("remedy", "let migrate make one with DB_WORKER_ROLE"));
    if (call.request.version_after > call.request.version_needed)
        LOG_INFO("schema_newer", FIELD_U64("version", call.request.version_after),
                 FIELD_U64("known_version", call.request.version_needed));
    return true;
}

bool app_migrate(struct app *app, struct app_migration *ret_migration, struct error *err)
{
    struct schema_call call = schema_call_of(app);
    schema_migrate(app->pg, app->loop, &call.request);
    if (!wait_for(app, &call, err))
        return false;
    *ret_migration = (struct app_migration){call.request.version_before, call.request.version_after,
                                            call.request.index_count};
    return look_at_schema(app, &call, err);
}

struct queue_options app_queue_options(const struct config *config,
                                       struct queue_property ret_properties[CONFIG_LIST_MAX])
{
    for (size_t i = 0; i < config->kafka_property_count; i++)
        ret_properties[i] = (struct queue_property){config->kafka_properties[i].name,
                                                    config->kafka_properties[i].value};
    return (struct queue_options){
        .brokers = config->kafka_brokers,
        .topic = config->kafka_topic,
        .group = config->kafka_group,
        .client_id = TEXT("millrace"),
        .properties = ret_properties,
        .property_count = config->kafka_property_count,
    };
}
