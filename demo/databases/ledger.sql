-- A database that nobody has described yet: its resource has three lines.
-- Runs once, in a new database, as its owner.

CREATE TABLE entries (
  id        integer PRIMARY KEY,
  account   text NOT NULL,
  amount    numeric(14, 2) NOT NULL,
  booked_on date NOT NULL
);
INSERT INTO entries
SELECT i, 'A-' || i % 40, (i * 37 % 40000) / 100.0 - 200, date '2026-01-01' + i % 300
FROM generate_series(1, 5000) i;
