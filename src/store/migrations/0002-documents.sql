-- Revisions of the whole set of documents. Every one is kept for ever: a request points at the one it was decided with.
CREATE TABLE revision (
  number     bigint PRIMARY KEY CHECK (number > 0),
  at         instant NOT NULL,
  by         text NOT NULL REFERENCES principal (name),
  summary    text[] NOT NULL,
  -- Nobody else agreed: there was only one administrator.
  unreviewed boolean NOT NULL,
  reason     text,
  -- The number of the request that a second person agreed to.
  request    bigint,
  CHECK (NOT (unreviewed AND request IS NOT NULL))
);

-- One row. Whoever applies locks it, so revisions are made one after the other.
CREATE TABLE revision_head (
  one    boolean PRIMARY KEY DEFAULT true CHECK (one),
  number bigint NOT NULL CHECK (number >= 0)
);
INSERT INTO revision_head (number) VALUES (0);

-- A document from the revision `since` on, until the revision that changed or removed it.
CREATE TABLE document (
  kind  text NOT NULL CHECK (kind IN ('Resource', 'Rule', 'Team', 'Test', 'Settings')),
  name  text NOT NULL,
  since bigint NOT NULL REFERENCES revision (number),
  until bigint REFERENCES revision (number),
  -- json, not jsonb: kept as it was written.
  body  json NOT NULL,
  path  text,
  line  integer CHECK (line > 0),
  PRIMARY KEY (kind, name, since),
  CHECK (until > since)
);
CREATE UNIQUE INDEX document_in_force ON document (kind, name) WHERE until IS NULL;
CREATE INDEX document_until ON document (until) WHERE until IS NOT NULL;

CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% keeps its history', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER revision_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON revision
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();
CREATE TRIGGER document_not_deleted BEFORE DELETE OR TRUNCATE ON document
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- The only legal change of a document's row: it stops being in force, once.
CREATE FUNCTION end_document_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.until IS NOT NULL OR NEW.until IS NULL
    OR (NEW.kind, NEW.name, NEW.since, NEW.body::text, NEW.path, NEW.line)
      IS DISTINCT FROM (OLD.kind, OLD.name, OLD.since, OLD.body::text, OLD.path, OLD.line) THEN
    RAISE EXCEPTION 'a document keeps its history' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER document_ends_once BEFORE UPDATE ON document FOR EACH ROW EXECUTE FUNCTION end_document_once();

CREATE FUNCTION head_moves_by_one() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.number <> OLD.number + 1 THEN
    RAISE EXCEPTION 'revisions count up by one' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER head_moves_by_one BEFORE UPDATE ON revision_head FOR EACH ROW EXECUTE FUNCTION head_moves_by_one();

-- A change that waits for a second person. Its request stands in access_request under the same number.
CREATE TABLE proposal (
  request bigint PRIMARY KEY,
  base    bigint NOT NULL CHECK (base >= 0),
  changes json NOT NULL
);
CREATE TRIGGER proposal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON proposal
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();
