/*
 * sql.h - the statements of the ledger and of jobs, embedded from store/statements
 * (embed_sql.cmake).
 *
 * Arrays belong together by position and are sorted by document; `at` in an answer is the position
 * in them, from 1. The protocol behind them: a generation becomes live only through FINISH with its
 * own fence under a lease that has not ended. Each may be repeated with the same fence.
 */
#ifndef STORE_SQL_H
#define STORE_SQL_H

/* CLAIM is these four, in this order; the first two only where an event is bare.
 * $1 documents uuid[], $2 users uuid[], $3 jobs uuid[] (null: a removal), $4 bare bool[] */
/* ... $5 schema prefix text, $6 event times in ms int8[], $7 their eTags text[], $8 pipeline text */
extern const char SQL_CLAIM_JOBS[];
extern const char SQL_CLAIM_DOCUMENTS[]; /* ... $5 schema prefix text, $6 buckets text[], $7 keys
                                            text[], $8 fences int8[], $9 lease in ms int8, $10 event
                                            times in ms int8[], $11 their eTags text[] */
extern const char SQL_CLAIM_LOCK[];      /* $1 documents, $2 jobs */
/* ... $5 fences int8[], $6 pipeline text, $7 schema prefix text, $8 lease in ms int8, $9
 * may uncover a version bool[] (a removal of it), $10 event times in ms int8[] (0: not known), $11
 * the events' eTags text[] (null: not known), $12 an event is bare bool
 * answers: at, verdict, item's job, gen, etag, gen is of this pipeline 0/1, chunk count, starts,
 * control, is active 0/1, over quota 0/1, busy for ms, link, weight in thousandths, in flight at
 * most (both null: like everybody), the newest event's time in ms, its eTag (null: a removal), its
 * age in ms */
extern const char SQL_CLAIM[];

/* {chunks} in it stands for the tenant's table. $1 documents (one), $2 gen int8, $3 content hashes
 * bytea[]
 * answers: at, number of the live generation's chunk with that hash (none: no row) */
extern const char SQL_KNOWN[];

/* Before INTEND, FINISH and RELEASE: the documents' rows, in one order for everybody. $1 documents
 */
extern const char SQL_LOCK[];

/* $1 documents, $2 fences int8[], $3 vector ids reserved int4[], $4 lease in ms int8
 * answers: at, go | stop | inactive | lost */
extern const char SQL_INTEND[];

/* $1 documents, $2 fences int8[], $3 jobs uuid[], $4 effects text[], $5 outcomes text[], $6 codes
 * text[], $7 messages text[], $8 eTags text[], $9 sizes int8[], $10 chunk counts int4[], $11 page
 * counts int4[], $12 token counts int8[], $13 dirty bool[], $14 titles text[], $15 MIME types
 * text[], $16 metadata text[] (JSON), $17 extracted texts text[], $18 extracted text is staged
 * bool[], $19 extracted text is too large to be kept bool[], $20 tokens billed int8[], $21 their
 * prices text[], $22 pipeline text, $23 chunks live in the shared table bool, $24 vectors live
 * elsewhere (litter is needed) bool
 * answers: at, ok | lost | restage */
extern const char SQL_FINISH[];

/* $1 documents, $2 fences int8[] (0: nothing was claimed), $3 jobs uuid[], $4 parked bool[], $5 due
 * in ms int8[], $6 codes text[], $7 messages text[]
 * answers: at, was parked 0/1, is exhausted 0/1 */
extern const char SQL_RELEASE[];

/* $1 topics text[], $2 partitions int4[], $3 offsets int8[], $4 event numbers int4[], $5 codes
 * text[], $6 messages text[], $7 keys bytea[], $8 values bytea[], $9 headers text[] (JSON), $10
 * users uuid[], $11 times in ms int8[]
 * answers: at, is new 0/1 */
extern const char SQL_BURY[];

/* Dead generations of documents: $1 documents. Of any document: $1 how many at most int8
 * answers: at, document, user, gen, vector count, as of (us since 1970) */
extern const char SQL_DEAD[];
extern const char SQL_DEAD_ANY[];
extern const char SQL_SWEPT[]; /* $1 documents, $2 gens int8[], $3 as of int8[] */

/* $1 how many at most int8
 * answers: parked in all, job, document, user, bucket, key, is overdue 0/1 (but the first: null
 * when nothing is due) */
extern const char SQL_DUE[];
extern const char SQL_SWEEP_STAGED[];
extern const char SQL_LAPSE[]; /* before SQL_DUE, too */

/* $1 job uuid, $2 user uuid, $3 job type text, $4 config text (JSON), $5 due in ms int8, $6 schema
 * prefix text, $7 documents uuid[], $8 buckets text[], $9 keys text[], $10 titles text[], $11
 * source types text[], $12 sizes int8[], $13 links text[]
 * answers: admitted users 0/1, new jobs 0/1, jobs of that id and another user 0/1 */
extern const char SQL_JOB_REGISTER[];

/* Before JOB_CONTROL: $1 job uuid, $2 none | cancel text */
extern const char SQL_JOB_UNPARK[];

/* $1 job uuid, $2 none | pause | cancel text, $3 who text
 * answers (no row: no such job): status and control before, changed 0/1, open items, running ones */
extern const char SQL_JOB_CONTROL[];

/* $1 job uuid, $2 fence int8, $3 how many at most int8, $4 message text
 * answers: ended items, items still open */
extern const char SQL_JOB_CANCEL_ITEMS[];

/* $1 job uuid, $2 how many at most int8, $3 as of text (null: now), $4 who text
 * answers (no row: no such job): status and control before, opened items, as of */
extern const char SQL_JOB_RETRY[];

#endif
