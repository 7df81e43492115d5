/** For a verb that no group of roles stands for: what it needs is for nobody to have in passing. */
export const whyNoRole = (verbs: readonly string[]): string =>
  `no role made for a grant is given ${verbs.filter((verb) => verb === 'admin' || verb === 'unknown').join(', ')}; use an account of your own`
