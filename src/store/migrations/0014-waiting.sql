-- What happens while a request waits: reminders, escalations, and people who answer in somebody's place.

-- What will be done by itself, from the moment that the request is opened. A step is taken once, whoever takes it.
CREATE TABLE request_step (
  request bigint NOT NULL REFERENCES access_request,
  -- 0 reminds; the others are escalations, in the order of the request's own list.
  number  integer NOT NULL CHECK (number >= 0),
  due_at  bigint NOT NULL,
  -- Who may answer from then on.
  people  text[] NOT NULL,
  done_at bigint CHECK (done_at >= due_at),
  PRIMARY KEY (request, number)
);
CREATE INDEX request_step_due ON request_step (due_at) WHERE done_at IS NULL;

CREATE FUNCTION keep_request_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.done_at IS NOT NULL OR (NEW.request, NEW.number, NEW.due_at, NEW.people)
     IS DISTINCT FROM (OLD.request, OLD.number, OLD.due_at, OLD.people) THEN
    RAISE EXCEPTION 'a step of HP-% is taken once, and is nothing else', OLD.request USING ERRCODE = 'restrict_violation';
  END IF;
  IF (SELECT state FROM access_request WHERE number = NEW.request) <> 'pending' THEN
    RAISE EXCEPTION 'HP-% waits no more', NEW.request USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER request_step_keep BEFORE UPDATE ON request_step FOR EACH ROW EXECUTE FUNCTION keep_request_step();
CREATE TRIGGER request_step_delete BEFORE DELETE ON request_step FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A reviewer who is away names who answers for them, until when.
CREATE SEQUENCE delegation_number;
CREATE TABLE delegation (
  number   bigint PRIMARY KEY,
  person   text NOT NULL,
  hands_to text NOT NULL CHECK (hands_to <> person),
  made_at  bigint NOT NULL,
  until    bigint NOT NULL CHECK (until > made_at),
  -- Taken back, or replaced by another one.
  ended_at bigint CHECK (ended_at >= made_at)
);
CREATE UNIQUE INDEX delegation_in_force ON delegation (person) WHERE ended_at IS NULL;
CREATE INDEX delegation_of ON delegation (hands_to) WHERE ended_at IS NULL;

CREATE FUNCTION keep_delegation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.ended_at IS NOT NULL OR (NEW.number, NEW.person, NEW.hands_to, NEW.made_at, NEW.until)
     IS DISTINCT FROM (OLD.number, OLD.person, OLD.hands_to, OLD.made_at, OLD.until) THEN
    RAISE EXCEPTION 'a delegation is only ever ended' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER delegation_keep BEFORE UPDATE ON delegation FOR EACH ROW EXECUTE FUNCTION keep_delegation();
CREATE TRIGGER delegation_delete BEFORE DELETE ON delegation FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Who may answer a request in whose place.
CREATE TABLE stand_in (
  request    bigint NOT NULL REFERENCES access_request,
  person     text NOT NULL,
  stands_for text NOT NULL CHECK (stands_for <> person),
  delegation bigint NOT NULL REFERENCES delegation,
  PRIMARY KEY (request, person)
);
CREATE TRIGGER stand_in_keep BEFORE UPDATE OR DELETE ON stand_in FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION check_stand_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM access_request r, delegation d
    WHERE r.number = NEW.request AND d.number = NEW.delegation AND r.state = 'pending' AND r.kind <> 'change'
      AND NEW.stands_for = ANY (r.asked) AND NEW.person NOT IN (r.requester, coalesce(r.sponsor, ''))
      AND d.person = NEW.stands_for AND d.hands_to = NEW.person AND d.ended_at IS NULL) THEN
    RAISE EXCEPTION '% may not answer HP-% in the place of %', NEW.person, NEW.request, NEW.stands_for
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER stand_in_check BEFORE INSERT ON stand_in FOR EACH ROW EXECUTE FUNCTION check_stand_in();

-- A place is filled once, whoever answers for it.
ALTER TABLE review ADD COLUMN stands_for text;
CREATE UNIQUE INDEX review_place ON review (request, coalesce(stands_for, reviewer));

CREATE FUNCTION check_review_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.stands_for IS NOT NULL AND NOT EXISTS (
    SELECT FROM stand_in s JOIN delegation d ON d.number = s.delegation
    WHERE s.request = NEW.request AND s.person = NEW.reviewer AND s.stands_for = NEW.stands_for
      AND NEW.at < least(d.until, coalesce(d.ended_at, d.until))) THEN
    RAISE EXCEPTION '% does not answer for %', NEW.reviewer, NEW.stands_for USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER review_check_place BEFORE INSERT ON review FOR EACH ROW EXECUTE FUNCTION check_review_place();

-- Who was asked grows by these two, and by nothing else: never by an edit of a team (I3).
CREATE OR REPLACE FUNCTION keep_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state IN ('denied', 'withdrawn', 'expired', 'voided') THEN
    RAISE EXCEPTION 'HP-% is % and stays so', OLD.number, OLD.state USING ERRCODE = 'restrict_violation';
  END IF;
  IF (NEW.number, NEW.requester, NEW.sponsor, NEW.resource, NEW.verbs, NEW.kind, NEW.digest, NEW.revision, NEW.session,
      NEW.opened_at, NEW.expires_at, NEW.extends, NEW.opening::text)
     IS DISTINCT FROM
     (OLD.number, OLD.requester, OLD.sponsor, OLD.resource, OLD.verbs, OLD.kind, OLD.digest, OLD.revision, OLD.session,
      OLD.opened_at, OLD.expires_at, OLD.extends, OLD.opening::text) THEN
    RAISE EXCEPTION 'what HP-% asks for never changes', OLD.number USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.asked IS DISTINCT FROM OLD.asked AND (
    OLD.state <> 'pending' OR NEW.state <> 'pending' OR NOT NEW.asked @> OLD.asked
    OR EXISTS (
      SELECT FROM unnest(NEW.asked) AS person
      WHERE NOT person = ANY (OLD.asked)
        AND NOT EXISTS (SELECT FROM stand_in s WHERE s.request = NEW.number AND s.person = person)
        AND NOT EXISTS (
          SELECT FROM request_step t
          WHERE t.request = NEW.number AND t.done_at IS NOT NULL AND person = ANY (t.people)))) THEN
    RAISE EXCEPTION 'who may answer HP-% never widens by itself', OLD.number USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
