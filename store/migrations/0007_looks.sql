-- A removal has no item that could wait for a bucket which does not let anybody look: it waits in the document's row.

alter table documents
    add column if not exists look_due timestamptz,
    add column if not exists look_since timestamptz;
comment on column documents.look_due is 'When a removal that could not be looked into is tried again; null: none waits. Only of what is live.';
comment on column documents.look_since is 'Since when it waits: after a day it is given up, and what is live goes.';
