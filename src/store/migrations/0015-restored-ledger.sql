-- A restored store whose log would fork the one that was signed goes on under a name of its own: what is added to it here.
ALTER TABLE restoration ADD COLUMN log text CHECK (log ~ '^[0-9a-f]{16}$');
