-- What is true of the whole database.
CREATE TABLE state (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  -- Grows with every change to policies and what they depend on.
  policy_version INTEGER NOT NULL,
  -- A known text sealed with the secrets key: a wrong key is told at the start.
  secrets_check BLOB
) STRICT;
INSERT INTO state (only, policy_version) VALUES (1, 0);

-- Numbers of names: those of the program change from build to build.
CREATE TABLE resource_type (code INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE parameter (
  type INTEGER NOT NULL REFERENCES resource_type,
  code INTEGER NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (type, code),
  UNIQUE (type, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE system (code INTEGER PRIMARY KEY, uri TEXT NOT NULL UNIQUE) STRICT;

-- Current versions. Rows are never removed, so that a new key is greater than every older one.
-- Times are milliseconds since 1970; methods are 1 POST, 2 PUT, 3 DELETE.
CREATE TABLE resource (
  key INTEGER PRIMARY KEY,
  type INTEGER NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  method INTEGER NOT NULL,
  deleted INTEGER NOT NULL,
  packed BLOB,
  body TEXT,
  UNIQUE (type, id)
) STRICT;
CREATE INDEX resource_live ON resource (type) WHERE deleted = 0;
CREATE INDEX resource_updated ON resource (type, updated);

-- Superseded versions.
CREATE TABLE history (
  number INTEGER PRIMARY KEY,
  key INTEGER NOT NULL REFERENCES resource,
  version INTEGER NOT NULL,
  type INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  method INTEGER NOT NULL,
  packed BLOB,
  body TEXT,
  UNIQUE (key, version)
) STRICT;
CREATE INDEX history_updated ON history (type, updated);

-- Where values are found, of current versions. Long texts are cut; `span` groups stretches of
-- time and ranges of numbers by their length.
CREATE TABLE string_index (
  type INTEGER NOT NULL, parameter INTEGER NOT NULL, value TEXT NOT NULL, resource INTEGER NOT NULL,
  PRIMARY KEY (type, parameter, value, resource)
) STRICT, WITHOUT ROWID;
-- System 0 is none.
CREATE TABLE token_index (
  type INTEGER NOT NULL, parameter INTEGER NOT NULL, code TEXT NOT NULL, resource INTEGER NOT NULL,
  system INTEGER NOT NULL,
  PRIMARY KEY (type, parameter, code, resource, system)
) STRICT, WITHOUT ROWID;
-- Target type 0 is a URL.
CREATE TABLE reference_index (
  type INTEGER NOT NULL, parameter INTEGER NOT NULL, target TEXT NOT NULL, resource INTEGER NOT NULL,
  target_type INTEGER NOT NULL,
  PRIMARY KEY (type, parameter, target, resource, target_type)
) STRICT, WITHOUT ROWID;
CREATE TABLE date_index (
  type INTEGER NOT NULL, parameter INTEGER NOT NULL, span INTEGER NOT NULL, low INTEGER NOT NULL,
  high INTEGER NOT NULL, resource INTEGER NOT NULL,
  PRIMARY KEY (type, parameter, span, low, high, resource)
) STRICT, WITHOUT ROWID;
CREATE TABLE number_index (
  type INTEGER NOT NULL, parameter INTEGER NOT NULL, span INTEGER NOT NULL, low REAL NOT NULL,
  high REAL NOT NULL, resource INTEGER NOT NULL,
  PRIMARY KEY (type, parameter, span, low, high, resource)
) STRICT, WITHOUT ROWID;
CREATE TABLE quantity_index (
  type INTEGER NOT NULL, parameter INTEGER NOT NULL, span INTEGER NOT NULL, low REAL NOT NULL,
  high REAL NOT NULL, resource INTEGER NOT NULL,
  PRIMARY KEY (type, parameter, span, low, high, resource)
) STRICT, WITHOUT ROWID;
CREATE TABLE uri_index (
  type INTEGER NOT NULL, parameter INTEGER NOT NULL, value TEXT NOT NULL, resource INTEGER NOT NULL,
  PRIMARY KEY (type, parameter, value, resource)
) STRICT, WITHOUT ROWID;

-- Sealed secrets of current versions: never in a body, an index or the history.
CREATE TABLE secret (
  type INTEGER NOT NULL, id TEXT NOT NULL, pointer TEXT NOT NULL, sealed BLOB NOT NULL,
  PRIMARY KEY (type, id, pointer)
) STRICT, WITHOUT ROWID;
