-- A store that was put back from a backup serves nobody before what the backup believes open has been ended (I13).

CREATE TABLE restoration (
  number      integer PRIMARY KEY,
  restored_at instant NOT NULL,
  -- When the backup was made.
  backup_at   instant NOT NULL,
  -- Everything up to these numbers is from before; what is made afterwards gets higher ones.
  sessions    bigint NOT NULL,
  grants      bigint NOT NULL,
  -- API tokens were meant to go on.
  keep_tokens boolean NOT NULL,
  -- Sessions, grants, pending requests and tokens of the backup were ended in the store.
  ended_at    instant,
  -- Every target was asked once; from here on only those that have not confirmed stay closed.
  opened_at   instant,
  -- All have confirmed.
  settled_at  instant,
  CHECK (opened_at IS NULL OR ended_at IS NOT NULL),
  CHECK (settled_at IS NULL OR opened_at IS NOT NULL)
);

CREATE FUNCTION keep_restoration() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.number, NEW.restored_at, NEW.backup_at, NEW.sessions, NEW.grants, NEW.keep_tokens)
     IS DISTINCT FROM (OLD.number, OLD.restored_at, OLD.backup_at, OLD.sessions, OLD.grants, OLD.keep_tokens)
     OR (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at)
     OR (OLD.opened_at IS NOT NULL AND NEW.opened_at IS DISTINCT FROM OLD.opened_at)
     OR (OLD.settled_at IS NOT NULL AND NEW.settled_at IS DISTINCT FROM OLD.settled_at) THEN
    RAISE EXCEPTION 'a restoration goes on, and back never' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER restoration_keep BEFORE UPDATE ON restoration FOR EACH ROW EXECUTE FUNCTION keep_restoration();
CREATE TRIGGER restoration_delete BEFORE DELETE OR TRUNCATE ON restoration
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
