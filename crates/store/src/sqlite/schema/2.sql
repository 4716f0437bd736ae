-- What the values of a parameter were selected by; empty where that is unknown. A parameter that is
-- not ready has values that are not stored yet, and is not searched by.
ALTER TABLE parameter ADD COLUMN extraction TEXT NOT NULL DEFAULT '';
ALTER TABLE parameter ADD COLUMN ready INTEGER NOT NULL DEFAULT 0;
-- Grows when a program comes that selects values in another way.
ALTER TABLE state ADD COLUMN index_generation INTEGER NOT NULL DEFAULT 0;
-- When the database was restored from a backup, until somebody has looked at what came back; else 0.
ALTER TABLE state ADD COLUMN restored INTEGER NOT NULL DEFAULT 0;

-- Work that is done beside requests. Times are milliseconds since 1970; 0 and an empty text are
-- nothing.
CREATE TABLE job (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  -- JSON, as its kind reads it.
  settings TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
  cancelling INTEGER NOT NULL DEFAULT 0,
  done INTEGER NOT NULL DEFAULT 0,
  total INTEGER NOT NULL DEFAULT 0,
  -- Where it goes on, as its kind writes it.
  position TEXT NOT NULL DEFAULT '',
  -- Who runs it and until when nobody else may. `takes` tells one lease from the next.
  owner TEXT NOT NULL DEFAULT '',
  expires INTEGER NOT NULL DEFAULT 0,
  takes INTEGER NOT NULL DEFAULT 0,
  -- Since it last got on.
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  ended INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX job_state ON job (state, created);
