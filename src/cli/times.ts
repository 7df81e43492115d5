/** Times as people read them in a list. All take milliseconds since the epoch. */

/** `14 m`, `41 s`, `3 h`, `2 d`: the one unit that matters. Never negative. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 120) return `${minutes} m`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`
}

/** `14 m left`, or `over`. */
export const left = (until: string, now: number): string => {
  const rest = Date.parse(until) - now
  return rest <= 0 ? 'over' : `${span(rest)} left`
}

/** `14:32` today, otherwise `2026-11-23 14:32`; in the machine's own time zone. */
export function clock(time: string, now: number): string {
  const date = new Date(time)
  const two = (n: number): string => String(n).padStart(2, '0')
  const hour = `${two(date.getHours())}:${two(date.getMinutes())}`
  if (date.toDateString() === new Date(now).toDateString()) return hour
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${hour}`
}
