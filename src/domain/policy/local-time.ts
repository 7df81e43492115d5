const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(timezone: string): Intl.DateTimeFormat {
  let format = formats.get(timezone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      weekday: 'long',
      hour: '2-digit',
      hourCycle: 'h23',
    })
    formats.set(timezone, format)
  }
  return format
}

/** Whether `timezone` is an IANA name that this Node knows. Offsets such as `+02:00` are refused: they ignore summer time. */
export function isTimezone(timezone: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(timezone)) return false
  try {
    formatOf(timezone)
    return true
  } catch (cause) {
    if (cause instanceof RangeError) return false
    throw cause
  }
}

/**
 * The hour (0 to 23) and the English weekday in lower case, at `now` (ms since the epoch) in an IANA time zone.
 * Throws RangeError for a time zone that `isTimezone` refuses.
 */
export function localTime(now: number, timezone: string): { readonly weekday: string; readonly hour: number } {
  let weekday = ''
  let hour = 0
  for (const part of formatOf(timezone).formatToParts(now)) {
    if (part.type === 'weekday') weekday = part.value.toLowerCase()
    else if (part.type === 'hour') hour = Number(part.value)
  }
  return { weekday, hour }
}
