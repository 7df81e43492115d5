/**
 * Parameters of a PostgreSQL session that give a text its meaning besides its names: how literals are read, how values
 * become text, what fires, where things are put. Each with what PostgreSQL ships; the names as `pg_settings` has them.
 */
export const MEANINGFUL_SETTINGS: Readonly<Record<string, string>> = {
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  array_nulls: 'on',
  backslash_quote: 'safe_encoding',
  bytea_output: 'hex',
  check_function_bodies: 'on',
  default_table_access_method: 'heap',
  default_tablespace: '',
  default_text_search_config: 'pg_catalog.english',
  extra_float_digits: '1',
  lc_monetary: 'C',
  lc_numeric: 'C',
  lc_time: 'C',
  row_security: 'on',
  session_replication_role: 'origin',
  synchronous_commit: 'on',
  temp_tablespaces: '',
  timezone_abbreviations: 'Default',
  transform_null_equals: 'off',
  xmlbinary: 'base64',
  xmloption: 'content',
}

/** Those that differ from what PostgreSQL ships: together with the rest of the state they tell any two sessions apart. */
export const unusualSettings = (
  settings: Readonly<Record<string, string>> | undefined,
): readonly (readonly [string, string])[] =>
  Object.entries(settings ?? {}).filter(([name, value]) => MEANINGFUL_SETTINGS[name] !== value)
