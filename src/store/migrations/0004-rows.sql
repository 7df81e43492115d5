-- How many rows were agreed, what a run did, and the reviews afterwards that a difference asks for.

-- Fewer rows than policy would let it touch, by this reviewer; by all of them, for every statement under the grant.
ALTER TABLE review ADD COLUMN rows_at_most bigint CHECK (rows_at_most > 0);
ALTER TABLE access_grant ADD COLUMN rows_at_most bigint CHECK (rows_at_most > 0);

CREATE FUNCTION keep_grant_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.rows_at_most IS DISTINCT FROM OLD.rows_at_most THEN
    RAISE EXCEPTION 'how many rows G-% permits never changes', OLD.number USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_grant_d_keep_rows BEFORE UPDATE ON access_grant FOR EACH ROW EXECUTE FUNCTION keep_grant_rows();

ALTER TABLE execution
  ADD COLUMN duration_micros bigint,
  -- Rows by object as the target counted them; NULL where it could not.
  ADD COLUMN touched         json,
  ADD COLUMN over_cap        boolean NOT NULL DEFAULT false,
  ADD COLUMN partly          boolean NOT NULL DEFAULT false;

-- What was done differs from what was approved: some of those who agreed must look.
CREATE TABLE review_afterwards (
  request         bigint PRIMARY KEY REFERENCES access_request,
  why             json NOT NULL,
  asked           text[] NOT NULL,
  due_at          bigint NOT NULL,
  acknowledged_by text,
  words           text,
  acknowledged_at bigint,
  CHECK ((acknowledged_by IS NULL) = (words IS NULL) AND (words IS NULL) = (acknowledged_at IS NULL)),
  CHECK (acknowledged_by IS NULL OR acknowledged_by = ANY (asked))
);
CREATE INDEX review_afterwards_owed ON review_afterwards USING gin (asked) WHERE acknowledged_by IS NULL;

CREATE FUNCTION keep_review_afterwards() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.acknowledged_by IS NOT NULL
     OR (NEW.request, NEW.why::text, NEW.asked, NEW.due_at) IS DISTINCT FROM (OLD.request, OLD.why::text, OLD.asked, OLD.due_at) THEN
    RAISE EXCEPTION 'a review afterwards is acknowledged once, and is nothing else' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.acknowledged_by = (SELECT requester FROM access_request WHERE number = NEW.request) THEN
    RAISE EXCEPTION 'nobody acknowledges their own' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER review_afterwards_keep BEFORE UPDATE ON review_afterwards
  FOR EACH ROW EXECUTE FUNCTION keep_review_afterwards();
CREATE TRIGGER review_afterwards_delete BEFORE DELETE ON review_afterwards
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
