-- Roles that are made on a target for one grant, and what the inventories of targets have found beside them.

INSERT INTO legal_transition (machine, was, becomes) VALUES
  ('role', 'new', 'wanted'),
  -- Adopted: it was there.
  ('role', 'new', 'made'),
  ('role', 'wanted', 'made'),
  ('role', 'wanted', 'gone'),
  ('role', 'made', 'gone');

-- The role of the grant on its target; NULL where the grant is used through the standing account.
ALTER TABLE access_grant ADD COLUMN role text;
CREATE FUNCTION keep_grant_role() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.role IS DISTINCT FROM OLD.role THEN
    RAISE EXCEPTION 'the role of G-% never changes', OLD.number USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_grant_e_keep_role BEFORE UPDATE ON access_grant FOR EACH ROW EXECUTE FUNCTION keep_grant_role();

CREATE TABLE target_role (
  number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name       text NOT NULL,
  -- NULL for one that was adopted.
  grant_of   bigint UNIQUE REFERENCES access_grant,
  resource   text NOT NULL,
  -- Where it is and how to sign in there: the profile may point elsewhere by the time it is removed.
  target     json NOT NULL,
  needs      json NOT NULL,
  until      bigint NOT NULL,
  -- Somebody is making it since. It is made once: what a dead process left is removed, never made again.
  claimed_at bigint,
  -- Why it could not be made.
  why        text,
  -- The session that is signed in as it.
  session    bigint REFERENCES session,
  -- When its credential was given to whoever had asked for it: once.
  given_at   bigint,
  adopted_by text,
  reason     text,
  state      text NOT NULL,
  was        text NOT NULL,
  machine    text NOT NULL GENERATED ALWAYS AS ('role') STORED,
  gone_at    bigint,
  CHECK ((grant_of IS NULL) = (adopted_by IS NOT NULL AND reason IS NOT NULL)),
  CHECK ((state = 'gone') = (gone_at IS NOT NULL)),
  FOREIGN KEY (machine, was, state) REFERENCES legal_transition
);
CREATE INDEX target_role_wanted ON target_role (number) WHERE state = 'wanted';
CREATE INDEX target_role_there ON target_role (resource) WHERE state <> 'gone';
CREATE INDEX target_role_session ON target_role (session) WHERE session IS NOT NULL;
CREATE TRIGGER target_role_a_transition BEFORE INSERT OR UPDATE ON target_role
  FOR EACH ROW EXECUTE FUNCTION note_transition();
CREATE FUNCTION keep_target_role() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state = 'gone'
     OR (NEW.number, NEW.name, NEW.grant_of, NEW.resource, NEW.target::text, NEW.needs::text)
        IS DISTINCT FROM (OLD.number, OLD.name, OLD.grant_of, OLD.resource, OLD.target::text, OLD.needs::text)
     OR NEW.until < OLD.until OR (OLD.given_at IS NOT NULL AND NEW.given_at IS DISTINCT FROM OLD.given_at) THEN
    RAISE EXCEPTION 'the role % is kept as it was', OLD.name USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER target_role_b_keep BEFORE UPDATE ON target_role FOR EACH ROW EXECUTE FUNCTION keep_target_role();
CREATE TRIGGER target_role_c_delete BEFORE DELETE ON target_role FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What the last inventory of a resource's target found that no grant stands for. Not history: the record has that.
CREATE TABLE leftover (
  resource   text NOT NULL,
  name       text NOT NULL,
  found      json NOT NULL,
  first_seen bigint NOT NULL,
  last_seen  bigint NOT NULL,
  ignored_by text,
  reason     text,
  PRIMARY KEY (resource, name),
  CHECK ((ignored_by IS NULL) = (reason IS NULL))
);
-- When the inventory of a resource's target was last whole, and why the one after it was not.
CREATE TABLE inventory (
  resource text PRIMARY KEY,
  begun_at bigint NOT NULL,
  done_at  bigint,
  why      text
);
