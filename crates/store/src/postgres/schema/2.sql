-- What the values of a parameter were selected by; empty where that is unknown. A parameter that is
-- not ready has values that are not stored yet, and is not searched by.
ALTER TABLE parameter ADD COLUMN extraction text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE parameter ADD COLUMN ready integer NOT NULL DEFAULT 0;
-- Grows when a program comes that selects values in another way.
ALTER TABLE state ADD COLUMN index_generation bigint NOT NULL DEFAULT 0;
-- When the database was restored from a backup, until somebody has looked at what came back; else 0.
ALTER TABLE state ADD COLUMN restored bigint NOT NULL DEFAULT 0;

-- Work that is done beside requests. Times are milliseconds since 1970; 0 and an empty text are
-- nothing.
CREATE TABLE job (
  id text COLLATE "C" PRIMARY KEY,
  kind text COLLATE "C" NOT NULL,
  -- JSON, as its kind reads it.
  settings text NOT NULL,
  state text COLLATE "C" NOT NULL
    CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
  cancelling integer NOT NULL DEFAULT 0,
  done bigint NOT NULL DEFAULT 0,
  total bigint NOT NULL DEFAULT 0,
  -- Where it goes on, as its kind writes it.
  position text NOT NULL DEFAULT '',
  -- Who runs it and until when nobody else may. `takes` tells one lease from the next.
  owner text COLLATE "C" NOT NULL DEFAULT '',
  expires bigint NOT NULL DEFAULT 0,
  takes bigint NOT NULL DEFAULT 0,
  -- Since it last got on.
  attempts bigint NOT NULL DEFAULT 0,
  not_before bigint NOT NULL DEFAULT 0,
  error text NOT NULL DEFAULT '',
  created bigint NOT NULL,
  updated bigint NOT NULL,
  ended bigint NOT NULL DEFAULT 0
);
CREATE INDEX job_state ON job (state, created);
