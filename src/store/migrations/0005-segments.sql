-- The statement record in segments: many lines of one session in one row, whose digest stands for them in the record.

CREATE TABLE statement_segment (
  session bigint NOT NULL REFERENCES session,
  -- The lowest and the highest number in it. Segments of one session may interleave.
  first   bigint NOT NULL CHECK (first > 0),
  last    bigint NOT NULL CHECK (last >= first),
  count   integer NOT NULL CHECK (count > 0),
  -- JSON in UTF-8: see the program's SegmentWriter.
  body    bytea NOT NULL,
  digest  bytea NOT NULL CHECK (digest = sha256(body)),
  -- A statement that began and one that ended have one number.
  PRIMARY KEY (session, first, digest)
);
CREATE TRIGGER statement_segment_keep BEFORE UPDATE OR DELETE ON statement_segment
  FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What was kept a row a statement until now: one segment for each thousand.
INSERT INTO statement_segment
SELECT session, first, last, count, body, sha256(body)
FROM (
  SELECT session, min(number) AS first, max(number) AS last, count(*) AS count,
    convert_to(json_build_object(
      'v', 1, 'session', 'S-' || session, 'from', 0,
      'alike', json_agg(json_strip_nulls(json_build_object('verbs', verbs, 'decision', decision, 'rules', rules,
        'request', request, 'text', text, 'objects', objects, 'outcome', outcome, 'sqlstate', sqlstate)) ORDER BY number),
      'number', json_agg(number ORDER BY number),
      'of', json_agg(place ORDER BY number),
      'at', json_agg(at ORDER BY number),
      'micros', json_agg(duration_micros ORDER BY number),
      'rows', json_agg(rows ORDER BY number))::text, 'UTF8') AS body
  FROM (
    SELECT *, (number - 1) / 1000 AS part,
      row_number() OVER (PARTITION BY session, (number - 1) / 1000 ORDER BY number) - 1 AS place
    FROM statement
  ) numbered
  GROUP BY session, part
) packed;
DROP TABLE statement;
