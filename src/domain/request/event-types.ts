/** What a webhook may be told of. */
export const EVENT_TYPES = [
  'request.opened',
  'request.nudged',
  'request.escalated',
  'request.handed_on',
  'request.approved',
  'request.denied',
  'request.withdrawn',
  'request.expired',
  'request.voided',
] as const
export type EventType = (typeof EVENT_TYPES)[number]
