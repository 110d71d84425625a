/* Replies of the vector store. The first byte says which reader, the rest is the reply. */
#include <stdlib.h>

#include "store/pinecone_codec.h"
#include "worker/base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void ignore(struct vectors_request *request, struct text name)
{
    (void)request;
    (void)name;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const int64_t KNOWN_NO[] = {0, 7};
    struct text reply = {(const char *)data + (bytes > 0), bytes - (bytes > 0)};
    struct document document = document_of(TEXT("docs"), TEXT("users/x/a.pdf"));
    struct tenant tenant = tenant_from_user_id(document.id);
    struct chunk chunks[2] = {{.no = 0}, {.no = 1}};
    struct chunk *pointers[2] = {&chunks[0], &chunks[1]};
    struct vectors_match matches[3];
    float rows[2 * 2];
    struct vectors_request request = {.tenant = &tenant, .document = &document, .gen = 1};
    request.fetched = pointers;
    request.chunk_count = 2;
    request.known_no = KNOWN_NO;
    request.vectors = rows;
    request.matches = matches;
    request.match_max = 3;
    struct buffer cursor = buffer_new(1024);
    request.cursor = &cursor;
    request.on_name = ignore;
    struct error err;
    unsigned kind = bytes ? data[0] : 0;
    if (kind % 4 == 0 && pinecone_read_vectors(reply, &request, 2, &err) &&
        (chunks[0].vector != NULL) + (chunks[1].vector != NULL) != (int)request.fetched_count)
        abort();
    if (kind % 4 == 1 && pinecone_read_matches(reply, &request, &err))
        for (size_t i = 0; i < request.match_count; i++)
            xfree(matches[i].text);
    if (kind % 4 == 2)
        pinecone_read_refusal(400 + kind, reply, &err);
    if (kind % 4 == 3) {
        (void)!pinecone_read_stats(reply, 2, &err);
        (void)!pinecone_read_list(reply, "vectors", "id", &request, &err);
    }
    buffer_release(&cursor);
    return 0;
}
