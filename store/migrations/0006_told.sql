-- What is known of an object beside its events: the newest of them, by which a view of the bucket that lags is told from truth; and
-- whether a removal is under way, of which no item tells.

alter table documents
    add column if not exists told_at timestamptz,
    add column if not exists told_etag text,
    add column if not exists removing boolean;
create table if not exists early_removals (
    document_id uuid primary key,
    told_at timestamptz not null
);
comment on table early_removals is 'Removals of the last minutes, of objects that no event had told of: those that come late are older.';
comment on column documents.told_at is 'Time of the newest event of the object that was claimed: a view of the bucket from before it lags.';
comment on column documents.told_etag is 'The eTag it named, empty: none; null: it was a removal.';
comment on column documents.removing is 'The attempt is a removal''s: when its worker dies, the janitor ends it.';
