/** An identifier, whatever it holds. */
export const name = (text: string): string => `"${text.replaceAll('"', '""')}"`
/** A literal. Control connections have standard_conforming_strings on. */
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`
