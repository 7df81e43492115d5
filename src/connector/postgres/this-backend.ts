/** A reused pid is another backend: both must match. A role without pg_read_all_stats sees no start time of foreign ones; then the pid alone counts. */
export const THIS = `from pg_catalog.pg_stat_activity where pid = $1::int4 and (backend_start = $2::timestamptz or backend_start is null)`
