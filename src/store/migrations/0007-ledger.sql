-- The ledger: a Merkle log (RFC 6962) over the record, one leaf an entry. docs/ledger.md.

-- An unsalted digest would confirm a guess at what stood in an erased body. The leaf's salted commitment takes its place.
ALTER TABLE record DROP COLUMN digest;
ALTER TABLE record
  -- Before the body in the leaf's commitment. Gone with an erased body.
  ADD COLUMN salt bytea CHECK (length(salt) = 16),
  -- Canonical JSON, what the tree is built over. Of entries from before the ledger it is made by the first sequencer.
  ADD COLUMN leaf bytea CHECK (length(leaf) BETWEEN 1 AND 65535),
  ADD CONSTRAINT record_has_leaf CHECK (leaf IS NOT NULL) NOT VALID,
  ADD CONSTRAINT record_salted_unless_erased CHECK ((salt IS NULL) = (length(body) = 0)) NOT VALID;

DROP TRIGGER record_append_only ON record;
CREATE TRIGGER record_append_only BEFORE DELETE OR TRUNCATE ON record
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_record();

-- The two legal changes of an entry, each once: it is given the leaf that it came without, and its body is erased.
CREATE FUNCTION keep_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.seq, NEW.xid, NEW.at, NEW.kind, NEW.subject, NEW.actor, NEW.resource)
    IS NOT DISTINCT FROM (OLD.seq, OLD.xid, OLD.at, OLD.kind, OLD.subject, OLD.actor, OLD.resource) THEN
    IF OLD.leaf IS NULL AND NEW.leaf IS NOT NULL AND NEW.body = OLD.body THEN RETURN NEW; END IF;
    IF NEW.leaf = OLD.leaf AND length(OLD.body) > 0 AND length(NEW.body) = 0 THEN RETURN NEW; END IF;
  END IF;
  RAISE EXCEPTION 'record is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER record_keep BEFORE UPDATE ON record FOR EACH ROW EXECUTE FUNCTION keep_record();

-- Entries that have no place in the tree yet. INVARIANT: a row is written in the transaction that writes its entry.
CREATE TABLE ledger_queue (seq bigint PRIMARY KEY);
INSERT INTO ledger_queue SELECT seq FROM record;

-- One row. INVARIANT: whoever extends the tree moves `size` from the value that they extended (compare and set), in the
-- one statement that writes the leaves: of two sequencers one moves it, and a paused one that wakes moves nothing.
CREATE TABLE ledger_head (
  one       boolean PRIMARY KEY DEFAULT true CHECK (one),
  size      bigint NOT NULL CHECK (size >= 0),
  root      bytea NOT NULL CHECK (length(root) = 32),
  -- Who extended it last, and so does it at once when somebody waits. Empty: whoever comes first.
  sequencer text
);
INSERT INTO ledger_head (size, root) VALUES (0, sha256(''));

CREATE FUNCTION ledger_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root) THEN
    RAISE EXCEPTION 'the ledger only grows' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_head_only_grows BEFORE UPDATE ON ledger_head FOR EACH ROW EXECUTE FUNCTION ledger_only_grows();

-- Which entry stands at which index.
CREATE TABLE ledger_leaf (
  index bigint PRIMARY KEY CHECK (index >= 0),
  seq   bigint NOT NULL UNIQUE,
  hash  bytea NOT NULL CHECK (length(hash) = 32)
);

-- Full tiles (C2SP tlog-tiles). Partial ones are read from what lies below them: leaves, or the roots of full tiles.
CREATE TABLE ledger_tile (
  level  smallint NOT NULL CHECK (level >= 0),
  index  bigint NOT NULL CHECK (index >= 0),
  hashes bytea NOT NULL CHECK (length(hashes) = 8192),
  root   bytea NOT NULL CHECK (length(root) = 32),
  PRIMARY KEY (level, index)
);
-- 256 hashes do not compress.
ALTER TABLE ledger_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

CREATE TABLE ledger_checkpoint (
  size bigint PRIMARY KEY CHECK (size > 0),
  root bytea NOT NULL CHECK (length(root) = 32),
  -- The signed note, as it is served.
  note text NOT NULL,
  at   instant NOT NULL
);

-- What witnesses signed: the line of the note that each adds.
CREATE TABLE ledger_cosignature (
  size    bigint NOT NULL REFERENCES ledger_checkpoint,
  witness text NOT NULL,
  line    text NOT NULL,
  at      instant NOT NULL,
  PRIMARY KEY (witness, size)
);

-- Keys that sign or have signed, as note verifier keys.
CREATE TABLE ledger_key (
  verifier text PRIMARY KEY,
  at       instant NOT NULL
);

CREATE TRIGGER ledger_leaf_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_leaf
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_tile_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_tile
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_checkpoint_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoint
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_cosignature_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_cosignature
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_key_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_key
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
