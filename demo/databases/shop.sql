-- The demo's shop: some hundred thousand rows, the same ones every time.
-- Runs once, in a new database, as its owner.

CREATE TABLE customers (
  id         integer PRIMARY KEY,
  name       text NOT NULL,
  email      text NOT NULL UNIQUE,
  country    char(2) NOT NULL,
  newsletter boolean NOT NULL,
  joined_on  date NOT NULL
);
CREATE TABLE products (
  id       integer PRIMARY KEY,
  sku      text NOT NULL UNIQUE,
  name     text NOT NULL,
  category text NOT NULL,
  price    numeric(10, 2) NOT NULL CHECK (price >= 0),
  stock    integer NOT NULL
);
CREATE TABLE orders (
  id          integer PRIMARY KEY,
  customer_id integer NOT NULL REFERENCES customers,
  status      text NOT NULL CHECK (status IN ('placed', 'paid', 'shipped', 'returned', 'cancelled')),
  placed_at   timestamptz NOT NULL,
  note        text
);
CREATE TABLE order_items (
  order_id   integer NOT NULL REFERENCES orders,
  line       integer NOT NULL,
  product_id integer NOT NULL REFERENCES products,
  quantity   integer NOT NULL CHECK (quantity > 0),
  price      numeric(10, 2) NOT NULL,
  PRIMARY KEY (order_id, line)
);
CREATE TABLE payments (
  id       integer PRIMARY KEY,
  order_id integer NOT NULL REFERENCES orders,
  method   text NOT NULL CHECK (method IN ('card', 'invoice', 'transfer')),
  amount   numeric(10, 2) NOT NULL,
  paid_at  timestamptz NOT NULL
);
CREATE TABLE carts (
  id          integer PRIMARY KEY,
  customer_id integer NOT NULL REFERENCES customers,
  items       integer NOT NULL,
  total       numeric(10, 2) NOT NULL,
  -- Days since somebody touched it; the nightly job counts them up.
  age_days    integer NOT NULL
);
CREATE TABLE vouchers (
  code       text PRIMARY KEY,
  percent    integer NOT NULL CHECK (percent BETWEEN 1 AND 100),
  used       integer NOT NULL DEFAULT 0,
  valid_till date NOT NULL
);

INSERT INTO customers
SELECT i,
       (ARRAY['Iris','Jonas','Noor','Pavel','Lucia','Tariq','Emma','Kofi','Yuki','Marta'])[1 + i % 10] || ' ' ||
       (ARRAY['Berg','Costa','Dahl','Engel','Fontaine','Grande','Haddad','Ito','Jensen','Kovacs','Lindt'])[1 + i % 11],
       'customer' || i || '@example.com',
       (ARRAY['DE','FR','NL','SE','ES','PL','IT'])[1 + i % 7],
       i % 3 = 0,
       date '2023-01-01' + i % 1000
FROM generate_series(1, 20000) i;

INSERT INTO products
SELECT i, 'SKU-' || lpad(i::text, 5, '0'),
       (ARRAY['Oak','Steel','Linen','Glass','Cork','Wool'])[1 + i % 6] || ' ' ||
       (ARRAY['lamp','chair','shelf','kettle','blanket','mirror','bowl'])[1 + i % 7],
       (ARRAY['living','kitchen','garden','office'])[1 + i % 4],
       4.9 + (i * 37 % 20000) / 100.0,
       i * 13 % 400
FROM generate_series(1, 1500) i;

INSERT INTO orders
SELECT i, 1 + i * 7919 % 20000,
       (ARRAY['shipped','shipped','shipped','shipped','paid','placed','returned','cancelled'])[1 + i % 8],
       timestamptz '2025-01-01 08:00+00' + i * interval '11 minutes',
       CASE WHEN i % 40 = 0 THEN 'leave at the door' END
FROM generate_series(1, 80000) i;

INSERT INTO order_items
SELECT o, line, 1 + (o * 31 + line * 499) % 1500, 1 + (o + line) % 3, 4.9 + (o * 37 % 20000) / 100.0
FROM generate_series(1, 80000) o, generate_series(1, 2) line;

INSERT INTO payments
SELECT i, i, (ARRAY['card','card','invoice','transfer'])[1 + i % 4], 9.8 + (i * 37 % 40000) / 100.0,
       timestamptz '2025-01-01 08:05+00' + i * interval '11 minutes'
FROM generate_series(1, 80000) i
WHERE i % 8 <> 7;

-- One in twenty has lain there for more than 90 days: 1204 of 24080.
INSERT INTO carts
SELECT i, 1 + i * 613 % 20000, 1 + i % 6, 9.9 + (i * 53 % 30000) / 100.0,
       CASE WHEN i % 20 = 0 THEN 91 + i / 20 % 270 ELSE i % 91 END
FROM generate_series(1, 24080) i;

INSERT INTO vouchers
SELECT 'WELCOME' || i, 5 + i % 4 * 5, i * 17 % 90, date '2026-01-31' + i
FROM generate_series(1, 200) i;

CREATE INDEX ON orders (customer_id);
CREATE INDEX ON payments (order_id);
CREATE INDEX ON carts (age_days);
-- Every age gets its own count, so that estimates of old carts are exact.
ALTER TABLE carts ALTER COLUMN age_days SET STATISTICS 400;
