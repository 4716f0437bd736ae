-- Imports that are not over: how much of each file is in the database, by the SHA-256 of what tells
-- the file from others.
CREATE TABLE import_file (file bytea PRIMARY KEY, items bigint NOT NULL);

-- Whether there are resources that the index tables do not name yet.
ALTER TABLE state ADD COLUMN index_unfinished integer NOT NULL DEFAULT 0;
