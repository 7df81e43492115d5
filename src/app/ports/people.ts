/** Accounts, passwords, tokens, sign-in throttling. */
// oxlint-disable-next-line typescript/no-empty-object-type
export interface PeopleStore {}
