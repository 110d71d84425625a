/*
 * tokens.h - how many tokens a text has, and which: OpenAI's cl100k_base, exactly. Pure.
 *
 * A text is cut into pieces (a word with the space before it, up to three digits, a run of signs,
 * white space, ...), and each piece is encoded by itself. What follows from that, and holds:
 *
 * - Sums. When pieces of a text begin at a and end at b, and the last of them is no white space,
 *   the tokens of text[a, b) counted by itself are the sum over these pieces. Anywhere else there
 *   is no such rule: "  7" is the pieces " ", " ", "7", but "  " alone is one token; and a cut
 *   inside a piece can make more tokens than the whole has. There tokens_count() tells.
 * - Growing texts. A piece stays as it is, whatever is appended to the text, when it ends before
 *   the white space at the end of the text, or before the end of a text that ends in none.
 * - Any bytes are a text, and encoding loses none. Text that spells a special token (<|endoftext|>)
 *   is text like any other. A byte that belongs to no well-formed UTF-8 sequence is a sign.
 * - Time is linear in the text, whatever the text.
 *
 * Texts are shorter than 4 GiB (asserted).
 * Owns:   nothing; its tables are constants. Memory is allocated only for a piece of more than
 *         4,096 bytes, and only where its encoding is in doubt for as long as that.
 * Thread: any.
 */
#ifndef CHUNKER_TOKENS_H
#define CHUNKER_TOKENS_H

#include "worker/base/text.h"

#define TOKENS_VOCABULARY 100256 /* ids are smaller; special tokens are never made */
#define TOKENS_BYTES_MAX 128     /* of one token */

struct tokens_piece {
    uint32_t bytes; /* at least 1 */
    uint32_t token_count;
};

/* Makes counting faster where the same words come again: how many tokens those have that were met
 * last and are none themselves. Zeros: nothing yet. Any texts may share it, one at a time. */
struct tokens_memo {
    uint64_t words[4096][2]; /* private */
};

size_t tokens_count(struct text text);
/* The next pieces of text from byte *at on (0, or where a piece begins), at most piece_count_max of
 * them; *at moves behind them. 0: *at is the end. memo: NULL is allowed. */
size_t tokens_pieces(struct text text, size_t *at, struct tokens_piece *ret_pieces,
                     size_t piece_count_max, struct tokens_memo *memo);
/* Returns tokens_count(); ids gets the first id_count_max of them. */
size_t tokens_encode(struct text text, uint32_t *ids, size_t id_count_max);
/* The bytes of a token: a constant, maybe not UTF-8 by itself. TEXT_NONE for an id there is not. */
struct text tokens_text(uint32_t id);

/* Whether this embedding model ("text-embedding-3-large", "openai/...") reads cl100k_base; for any
 * other the counts are an estimate. */
bool tokens_are_exact(struct text model);

#endif
