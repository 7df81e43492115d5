-- The demo's card vault: tokens, never card numbers.
-- Runs once, in a new database, as its owner.

CREATE TABLE cards (
  id          integer PRIMARY KEY,
  customer_id integer NOT NULL,
  token       text NOT NULL UNIQUE,
  network     text NOT NULL,
  last4       char(4) NOT NULL,
  expires     date NOT NULL
);
CREATE TABLE settlements (
  id         integer PRIMARY KEY,
  card_id    integer NOT NULL REFERENCES cards,
  amount     numeric(12, 2) NOT NULL,
  settled_on date NOT NULL
);
CREATE TABLE disputes (
  id            integer PRIMARY KEY,
  settlement_id integer NOT NULL REFERENCES settlements,
  opened_on     date NOT NULL,
  state         text NOT NULL CHECK (state IN ('open', 'won', 'lost'))
);

INSERT INTO cards
SELECT i, i, 'tok_' || md5('card' || i), (ARRAY['visa','mastercard','amex'])[1 + i % 3],
       lpad((i * 7 % 10000)::text, 4, '0'), date '2027-01-31' + i % 900
FROM generate_series(1, 15000) i;
INSERT INTO settlements
SELECT i, 1 + i % 15000, 9.8 + (i * 37 % 40000) / 100.0, date '2026-01-01' + i % 300
FROM generate_series(1, 30000) i;
INSERT INTO disputes
SELECT i, i * 97, date '2026-02-01' + i % 260, (ARRAY['open','won','lost'])[1 + i % 3]
FROM generate_series(1, 300) i;
