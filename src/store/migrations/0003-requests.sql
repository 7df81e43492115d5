-- Requests, reviews, grants, executions, sessions, statements.
-- Times are milliseconds since the Unix epoch by this database's clock, as everywhere in the program.

-- Legal transitions are rows. Each state machine's table points at them with (machine, was, state), and a trigger
-- writes `was`: no code path, and nobody with psql, can write a step that is not listed here.
CREATE TABLE legal_transition (
  machine text NOT NULL,
  was     text NOT NULL,
  becomes text NOT NULL,
  PRIMARY KEY (machine, was, becomes)
);
INSERT INTO legal_transition (machine, was, becomes) VALUES
  ('request', 'new', 'pending'),
  ('request', 'pending', 'approved'),
  ('request', 'pending', 'denied'),
  ('request', 'pending', 'withdrawn'),
  ('request', 'pending', 'expired'),
  ('request', 'pending', 'voided'),
  ('request', 'approved', 'voided'),
  ('grant', 'new', 'provisioning'),
  ('grant', 'new', 'active'),
  ('grant', 'provisioning', 'active'),
  ('grant', 'provisioning', 'ending'),
  ('grant', 'active', 'ending'),
  ('grant', 'ending', 'ended'),
  ('execution', 'new', 'ready'),
  ('execution', 'ready', 'started'),
  ('execution', 'started', 'succeeded'),
  ('execution', 'started', 'failed'),
  ('execution', 'started', 'unknown'),
  ('session', 'new', 'open'),
  ('session', 'open', 'closed');

CREATE FUNCTION note_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.was := 'new';
  ELSIF NEW.state IS DISTINCT FROM OLD.state THEN
    NEW.was := OLD.state;
  ELSE
    NEW.was := OLD.was;
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: it is kept as it was', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

-- The program's processes. Sessions belong to one; a process whose heartbeat stopped is declared dead once, and
-- finds out by its own next heartbeat, which then changes no row.
CREATE TABLE replica (
  id           text PRIMARY KEY,
  started_at   bigint NOT NULL,
  heartbeat_at bigint NOT NULL,
  ended_at     bigint
);

CREATE SEQUENCE request_number;
CREATE TABLE access_request (
  number           bigint PRIMARY KEY,
  requester        text NOT NULL,
  sponsor          text,
  resource         text NOT NULL,
  verbs            text[] NOT NULL,
  kind             text NOT NULL CHECK (kind IN ('statement', 'connect', 'window', 'extension', 'change')),
  digest           text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
  revision         bigint NOT NULL,
  session          text,
  opened_at        bigint NOT NULL,
  expires_at       bigint NOT NULL,
  -- Everybody who was eligible when it was opened.
  asked            text[] NOT NULL,
  -- The grant that an extension is about.
  extends          bigint,
  -- The rest of what was asked and decided. Text, not jsonb: what a client sent is kept as it was sent.
  opening          json NOT NULL,
  -- The revision it was last decided with; only grows.
  checked_revision bigint NOT NULL,
  state            text NOT NULL,
  was              text NOT NULL,
  machine          text NOT NULL GENERATED ALWAYS AS ('request') STORED,
  -- What the state adds: who denied, why it was voided, when.
  ending           json,
  CHECK (expires_at > opened_at),
  CHECK ((state = 'pending') = (ending IS NULL)),
  FOREIGN KEY (machine, was, state) REFERENCES legal_transition
);
CREATE INDEX access_request_pending ON access_request (expires_at) WHERE state = 'pending';
CREATE INDEX access_request_unchecked ON access_request (checked_revision) WHERE state = 'pending';
CREATE INDEX access_request_requester ON access_request (requester, number);
CREATE INDEX access_request_resource ON access_request (resource, number);
CREATE INDEX access_request_asked ON access_request USING gin (asked);
CREATE INDEX access_request_session ON access_request (session) WHERE session IS NOT NULL;
CREATE INDEX access_request_extends ON access_request (extends) WHERE extends IS NOT NULL;
CREATE TRIGGER access_request_a_transition BEFORE INSERT OR UPDATE ON access_request
  FOR EACH ROW EXECUTE FUNCTION note_transition();

CREATE FUNCTION keep_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state IN ('denied', 'withdrawn', 'expired', 'voided') THEN
    RAISE EXCEPTION 'HP-% is % and stays so', OLD.number, OLD.state USING ERRCODE = 'restrict_violation';
  END IF;
  IF (NEW.number, NEW.requester, NEW.sponsor, NEW.resource, NEW.verbs, NEW.kind, NEW.digest, NEW.revision, NEW.session,
      NEW.opened_at, NEW.expires_at, NEW.asked, NEW.extends, NEW.opening::text)
     IS DISTINCT FROM
     (OLD.number, OLD.requester, OLD.sponsor, OLD.resource, OLD.verbs, OLD.kind, OLD.digest, OLD.revision, OLD.session,
      OLD.opened_at, OLD.expires_at, OLD.asked, OLD.extends, OLD.opening::text) THEN
    RAISE EXCEPTION 'what HP-% asks for never changes', OLD.number USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_request_b_keep BEFORE UPDATE ON access_request FOR EACH ROW EXECUTE FUNCTION keep_request();
CREATE TRIGGER access_request_c_delete BEFORE DELETE ON access_request FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- One row a person and request: a quorum cannot count anybody twice.
CREATE TABLE review (
  request  bigint NOT NULL REFERENCES access_request,
  reviewer text NOT NULL,
  verdict  text NOT NULL CHECK (verdict IN ('approve', 'deny')),
  digest   text NOT NULL,
  at       bigint NOT NULL,
  words    text,
  at_most  bigint CHECK (at_most > 0),
  PRIMARY KEY (request, reviewer),
  CHECK (verdict = 'approve' OR words IS NOT NULL)
);
CREATE FUNCTION check_review() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE r access_request;
BEGIN
  SELECT * INTO STRICT r FROM access_request WHERE number = NEW.request FOR UPDATE;
  IF r.state <> 'pending' OR NEW.at >= r.expires_at THEN
    RAISE EXCEPTION 'HP-% is not pending', r.number USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.reviewer = r.requester OR NOT NEW.reviewer = ANY (r.asked) THEN
    RAISE EXCEPTION '% may not review HP-%', NEW.reviewer, r.number USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.digest <> r.digest THEN
    RAISE EXCEPTION 'the review is of something else than HP-%', r.number USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER review_check BEFORE INSERT ON review FOR EACH ROW EXECUTE FUNCTION check_review();
CREATE TRIGGER review_keep BEFORE UPDATE OR DELETE ON review FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE SEQUENCE session_number;
CREATE TABLE session (
  number          bigint PRIMARY KEY,
  principal       text NOT NULL,
  token           text NOT NULL,
  resource        text NOT NULL,
  database        text NOT NULL,
  client          text NOT NULL,
  source_address  text NOT NULL,
  replica         text NOT NULL REFERENCES replica,
  -- The server it was opened on and where its password comes from: the profile may point elsewhere by the time of the cut.
  target          json NOT NULL,
  opened_at       bigint NOT NULL,
  expires_at      bigint,
  backend_pid     integer,
  backend_started text,
  -- Somebody ordered the end of it; the gateway obeys, and the reconciler does it if the gateway cannot.
  cut             json,
  state           text NOT NULL,
  was             text NOT NULL,
  machine         text NOT NULL GENERATED ALWAYS AS ('session') STORED,
  why             text,
  closed_at       bigint,
  -- When a second connection saw that the backend was gone from the target.
  gone_at         bigint,
  CHECK ((state = 'open') = (closed_at IS NULL)),
  FOREIGN KEY (machine, was, state) REFERENCES legal_transition
);
CREATE INDEX session_open ON session (replica) WHERE state = 'open';
CREATE INDEX session_resource ON session (resource, number);
CREATE INDEX session_principal ON session (principal, number);
CREATE INDEX session_left ON session (closed_at) WHERE state = 'closed' AND gone_at IS NULL AND backend_pid IS NOT NULL;
CREATE TRIGGER session_a_transition BEFORE INSERT OR UPDATE ON session FOR EACH ROW EXECUTE FUNCTION note_transition();
CREATE TRIGGER session_c_delete BEFORE DELETE ON session FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE SEQUENCE grant_number;
CREATE TABLE access_grant (
  number           bigint PRIMARY KEY,
  request          bigint NOT NULL UNIQUE REFERENCES access_request,
  principal        text NOT NULL,
  resource         text NOT NULL,
  verbs            text[] NOT NULL,
  scope            text NOT NULL CHECK (scope IN ('once', 'session', 'window')),
  session          text,
  digest           text NOT NULL,
  met              json NOT NULL,
  revision         bigint NOT NULL,
  checked_revision bigint NOT NULL,
  starts_at        bigint NOT NULL,
  expires_at       bigint NOT NULL,
  state            text NOT NULL,
  was              text NOT NULL,
  machine          text NOT NULL GENERATED ALWAYS AS ('grant') STORED,
  why              text CHECK (why IN ('completed', 'released', 'expired', 'revoked', 'voided')),
  since            bigint,
  ended_at         bigint,
  -- Counts every change. Whoever acted on an older one finds that their write changes no row.
  epoch            bigint NOT NULL DEFAULT 1,
  CHECK (expires_at > starts_at),
  CHECK ((state IN ('ending', 'ended')) = (why IS NOT NULL AND since IS NOT NULL)),
  CHECK ((state = 'ended') = (ended_at IS NOT NULL)),
  FOREIGN KEY (machine, was, state) REFERENCES legal_transition
);
CREATE INDEX access_grant_due ON access_grant (expires_at) WHERE state IN ('provisioning', 'active');
CREATE INDEX access_grant_ending ON access_grant (since) WHERE state = 'ending';
CREATE INDEX access_grant_live ON access_grant (principal, resource) WHERE state = 'active';
CREATE INDEX access_grant_session ON access_grant (session) WHERE session IS NOT NULL;
CREATE TRIGGER access_grant_a_transition BEFORE INSERT OR UPDATE ON access_grant
  FOR EACH ROW EXECUTE FUNCTION note_transition();

CREATE FUNCTION check_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM access_request r WHERE r.number = NEW.request AND r.state = 'approved') THEN
    RAISE EXCEPTION 'a grant needs an approved request' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_grant_b_check BEFORE INSERT ON access_grant FOR EACH ROW EXECUTE FUNCTION check_grant();

CREATE FUNCTION keep_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state = 'ended' THEN
    RAISE EXCEPTION 'G-% has ended and stays so', OLD.number USING ERRCODE = 'restrict_violation';
  END IF;
  IF (NEW.number, NEW.request, NEW.principal, NEW.resource, NEW.verbs, NEW.scope, NEW.session, NEW.digest, NEW.met::text,
      NEW.revision, NEW.starts_at)
     IS DISTINCT FROM
     (OLD.number, OLD.request, OLD.principal, OLD.resource, OLD.verbs, OLD.scope, OLD.session, OLD.digest, OLD.met::text,
      OLD.revision, OLD.starts_at) THEN
    RAISE EXCEPTION 'what G-% permits never changes', OLD.number USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.expires_at <> OLD.expires_at AND (OLD.state <> 'active' OR NEW.state <> 'active' OR NEW.expires_at < OLD.expires_at) THEN
    RAISE EXCEPTION 'only a live grant is extended' USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.state = 'ending' AND (NEW.why, NEW.since) IS DISTINCT FROM (OLD.why, OLD.since) THEN
    RAISE EXCEPTION 'why G-% ends never changes', OLD.number USING ERRCODE = 'restrict_violation';
  END IF;
  NEW.epoch := OLD.epoch + 1;
  RETURN NEW;
END $$;
CREATE TRIGGER access_grant_b_keep BEFORE UPDATE ON access_grant FOR EACH ROW EXECUTE FUNCTION keep_grant();
CREATE TRIGGER access_grant_c_delete BEFORE DELETE ON access_grant FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The one run of what was approved. Its key is the request: there is no second one (I5).
CREATE TABLE execution (
  request    bigint PRIMARY KEY REFERENCES access_request,
  grant_of   bigint NOT NULL REFERENCES access_grant,
  session    bigint REFERENCES session,
  state      text NOT NULL,
  was        text NOT NULL,
  machine    text NOT NULL GENERATED ALWAYS AS ('execution') STORED,
  started_at bigint,
  ended_at   bigint,
  rows       bigint,
  sqlstate   text,
  FOREIGN KEY (machine, was, state) REFERENCES legal_transition
);
CREATE INDEX execution_started ON execution (session) WHERE state = 'started';
CREATE TRIGGER execution_a_transition BEFORE INSERT OR UPDATE ON execution FOR EACH ROW EXECUTE FUNCTION note_transition();
CREATE FUNCTION check_execution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state = 'ready' AND NEW.state = 'started' AND NOT EXISTS (
    SELECT FROM access_grant g JOIN access_request r ON r.number = g.request
    WHERE g.number = NEW.grant_of AND g.state = 'active' AND NEW.started_at < g.expires_at AND r.state = 'approved') THEN
    RAISE EXCEPTION 'nothing starts without a live grant' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER execution_b_check BEFORE UPDATE ON execution FOR EACH ROW EXECUTE FUNCTION check_execution();
CREATE TRIGGER execution_c_delete BEFORE DELETE ON execution FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Which sessions used which grants: what must be cut, and seen gone, when the grant ends.
CREATE TABLE session_grant (
  session  bigint NOT NULL REFERENCES session,
  grant_of bigint NOT NULL REFERENCES access_grant,
  PRIMARY KEY (session, grant_of)
);
CREATE INDEX session_grant_of ON session_grant (grant_of);

-- The statement record, written in batches.
CREATE TABLE statement (
  session         bigint NOT NULL REFERENCES session,
  number          integer NOT NULL,
  at              bigint NOT NULL,
  verbs           text[] NOT NULL,
  decision        text NOT NULL,
  rules           text[] NOT NULL,
  request         text,
  text            text NOT NULL,
  objects         text[] NOT NULL,
  rows            bigint,
  duration_micros bigint NOT NULL,
  outcome         text NOT NULL,
  sqlstate        text,
  PRIMARY KEY (session, number)
);
CREATE TRIGGER statement_keep BEFORE UPDATE OR DELETE ON statement FOR EACH ROW EXECUTE FUNCTION refuse_change();
