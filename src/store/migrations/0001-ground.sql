-- Milliseconds since the Unix epoch by Holdpoint's clock (see holdpoint_now).
CREATE DOMAIN instant AS bigint CHECK (VALUE >= 0);

-- The record: every change of state as canonical bytes, in the transaction that makes the change.
CREATE TABLE record (
  seq      bigserial PRIMARY KEY,
  xid      xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at       instant NOT NULL,
  kind     text NOT NULL,
  subject  text NOT NULL,
  actor    text,
  resource text,
  body     bytea NOT NULL,
  digest   bytea NOT NULL CHECK (digest = sha256(body))
);
-- Readers follow commit order as far as it is settled: (xid, seq) below record_horizon().
CREATE UNIQUE INDEX record_order ON record (xid, seq);
CREATE INDEX record_subject ON record (subject, xid, seq);
CREATE INDEX record_resource ON record (resource, xid, seq) WHERE resource IS NOT NULL;
CREATE INDEX record_actor ON record (actor, xid, seq) WHERE actor IS NOT NULL;

CREATE FUNCTION refuse_change_of_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER record_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON record
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_record();

-- Every transaction of this database with a smaller xid has ended, so a later statement sees all its rows. Unlike
-- pg_snapshot_xmin this does not wait for transactions of other databases on the same server.
-- INVARIANT: xmax is read before the scan; who gets an xid after that gets one that is not smaller.
CREATE FUNCTION record_horizon() RETURNS xid8 LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  xmax numeric := pg_snapshot_xmax(pg_current_snapshot())::text::numeric;
  behind numeric;
BEGIN
  PERFORM pg_stat_clear_snapshot();
  -- xid has 32 bits and wraps: how far behind xmax, modulo 2^32. One that is ahead of xmax comes out huge, and is not behind.
  SELECT max(distance) INTO behind FROM (
    SELECT mod(mod(xmax, 4294967296) - backend_xid::text::numeric + 4294967296, 4294967296) AS distance
    FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL
  ) running WHERE distance < 2147483648;
  RETURN (xmax - coalesce(behind, 0))::text::xid8;
END $$;

-- One row each. `ahead` is added to the server's clock: it grows when that clock steps back, so ours does not.
CREATE TABLE clock (
  one   boolean PRIMARY KEY DEFAULT true CHECK (one),
  high  instant NOT NULL,
  ahead bigint NOT NULL DEFAULT 0 CHECK (ahead >= 0)
);
INSERT INTO clock (high) VALUES (floor(extract(epoch FROM clock_timestamp()) * 1000));

-- The time that decides: the server's clock, never before the highest time recorded.
CREATE FUNCTION holdpoint_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT greatest(
    floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + clock.ahead,
    clock.high,
    (SELECT at FROM record ORDER BY seq DESC LIMIT 1)
  ) FROM clock
$$;

CREATE TABLE installation (
  one       boolean PRIMARY KEY DEFAULT true CHECK (one),
  -- What keys that all replicas share are derived from: signed cursors, the salts that SCRAM shows for unknown names.
  secret     bytea NOT NULL CHECK (length(secret) = 32),
  -- SHA-256 of the one-time code; empty once an administrator exists.
  setup_code bytea
);

CREATE TABLE principal (
  name          text PRIMARY KEY CHECK (name ~ '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'),
  kind          text NOT NULL CHECK (kind IN ('user', 'service', 'agent')),
  display_name  text NOT NULL,
  roles         text[] NOT NULL DEFAULT '{}' CHECK (roles <@ ARRAY['admin', 'auditor']),
  sponsor       text,
  sponsor_kind  text GENERATED ALWAYS AS (CASE WHEN sponsor IS NULL THEN NULL ELSE 'user' END) STORED,
  disabled      boolean NOT NULL DEFAULT false,
  password_hash text,
  -- One for all gateway tokens of this person, so that one SCRAM exchange can try each of them.
  gateway_salt  bytea NOT NULL,
  created_at    instant NOT NULL,
  UNIQUE (name, kind),
  FOREIGN KEY (sponsor, sponsor_kind) REFERENCES principal (name, kind),
  CONSTRAINT agents_have_a_sponsor CHECK ((kind = 'agent') = (sponsor IS NOT NULL)),
  CONSTRAINT machines_have_no_password CHECK (kind = 'user' OR password_hash IS NULL),
  CONSTRAINT machines_have_no_roles CHECK (kind = 'user' OR roles = '{}')
);

CREATE TABLE token (
  id           text PRIMARY KEY,
  principal    text NOT NULL REFERENCES principal (name),
  kind         text NOT NULL CHECK (kind IN ('sign_in', 'api', 'gateway')),
  hash         bytea NOT NULL UNIQUE,
  scopes       text[] NOT NULL,
  label        text NOT NULL,
  created_at   instant NOT NULL,
  expires_at   instant NOT NULL,
  last_used_at instant,
  revoked_at   instant,
  -- SCRAM-SHA-256 (RFC 5802) over the token's text and its owner's salt.
  stored_key   bytea,
  server_key   bytea,
  CHECK (expires_at > created_at),
  CHECK ((kind = 'gateway') = (stored_key IS NOT NULL)),
  CHECK ((kind = 'gateway') = (server_key IS NOT NULL))
);
CREATE INDEX token_principal ON token (principal) WHERE revoked_at IS NULL;

-- Sign-in attempts by name and by address. `full_at` is when all of the bucket's attempts are there again.
CREATE TABLE throttle (
  bucket  text PRIMARY KEY,
  full_at instant NOT NULL
);

CREATE TABLE secret (
  name       text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
  key_id     text NOT NULL,
  sealed     bytea NOT NULL,
  updated_at instant NOT NULL,
  updated_by text NOT NULL
);

-- What an API call with an Idempotency-Key was answered, so that the same call again is not made again.
CREATE TABLE idempotency (
  principal  text NOT NULL,
  key        text NOT NULL,
  digest     text NOT NULL,
  made_at    instant NOT NULL,
  -- While the first call is at work; after it another may take over, since the first one's process died.
  busy_until instant,
  answer     json,
  PRIMARY KEY (principal, key),
  CHECK ((busy_until IS NULL) = (answer IS NOT NULL))
);
CREATE INDEX idempotency_age ON idempotency (made_at);
