/** Resources, rules, teams, tests, settings, with every revision. */
// oxlint-disable-next-line typescript/no-empty-object-type
export interface DocumentStore {}
