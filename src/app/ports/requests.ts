/** Access requests, reviews, grants, executions, sessions, statements. */
// oxlint-disable-next-line typescript/no-empty-object-type
export interface RequestStore {}
