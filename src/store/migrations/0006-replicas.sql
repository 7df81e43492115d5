-- What replicas of one installation know of each other, and how they notice that the database is not the one it was.

ALTER TABLE replica
  -- Of a server: what it does. Empty for one of its gateway processes.
  ADD COLUMN roles       text[] NOT NULL DEFAULT '{}',
  -- SHA-256 of the certificate its gateway shows, when it made that itself.
  ADD COLUMN certificate text;

-- The key that new secrets are sealed with, by its id: claimed by the first replica, and every other must have it.
CREATE TABLE sealing_key (
  one    boolean PRIMARY KEY DEFAULT true CHECK (one),
  key_id text NOT NULL
);

-- The server's timeline when Holdpoint last made sure of what it holds. A standby that takes over begins a new one, and
-- may lack the last moments of the old. INVARIANT: nothing is decided in a transaction that finds another (new_timeline).
ALTER TABLE clock ADD COLUMN timeline text;
UPDATE clock SET timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8);
ALTER TABLE clock ALTER COLUMN timeline SET NOT NULL;

-- Empty while the timeline is the known one, otherwise the one that is new.
CREATE FUNCTION new_timeline() RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT nullif(left(pg_walfile_name(pg_current_wal_lsn()), 8), clock.timeline) FROM clock
$$;
