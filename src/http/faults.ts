/** What the log may hold of a fault: never its parameters, nor the row that a constraint names. */
export function describeFault(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { thrown: typeof error }
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    ...('code' in error && typeof error.code === 'string' ? { code: error.code } : {}),
    ...(error.cause === undefined || depth >= 4 ? {} : { cause: describeFault(error.cause, depth + 1) }),
  }
}
