-- The demo's numbers for the shop: nothing in here names a person.
-- Runs once, in a new database, as its owner.

CREATE TABLE daily_sales (
  day     date NOT NULL,
  country char(2) NOT NULL,
  orders  integer NOT NULL,
  revenue numeric(12, 2) NOT NULL,
  PRIMARY KEY (day, country)
);
CREATE TABLE page_views (
  at      timestamptz NOT NULL,
  page    text NOT NULL,
  views   integer NOT NULL
);

INSERT INTO daily_sales
SELECT date '2024-01-01' + d, c, 20 + d * 7 % 90, 900 + d * 1231 % 9000
FROM generate_series(0, 999) d, unnest(ARRAY['DE','FR','NL','SE','ES','PL','IT']) c;
INSERT INTO page_views
SELECT timestamptz '2026-01-01 00:00+00' + i * interval '9 minutes', '/p/' || i % 1500, 1 + i % 40
FROM generate_series(1, 50000) i;
