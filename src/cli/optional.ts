type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** The entries that have a value: an absent key and one that is undefined are different to the API. */
export const optional = <T extends object>(value: T): Present<T> =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Present<T>
