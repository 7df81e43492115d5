-- Who is told of what happens to requests. The secret that a delivery is signed with is sealed beside the others.
CREATE TABLE webhook (
  name    text PRIMARY KEY CHECK (name ~ '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'),
  url     text NOT NULL,
  events  text[] NOT NULL CHECK (cardinality(events) > 0),
  made_at instant NOT NULL,
  made_by text NOT NULL
);
