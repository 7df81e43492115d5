import type { AccessRequest } from './request.ts'

/** `HP-7 was denied by mia`, for who meets a request that is decided already; undefined while it is pending. */
export function howDecided(request: AccessRequest): string | undefined {
  const { id, reviews } = request
  switch (request.state) {
    case 'pending':
      return undefined
    case 'approved': {
      const by = reviews.filter((one) => one.verdict === 'approve').map((one) => one.by)
      return `${id} was approved${by.length === 0 ? '' : ` by ${by.join(' and ')}`}`
    }
    case 'denied':
      return `${id} was denied by ${request.by}`
    case 'expired':
      return `${id} expired before enough people had answered`
    case 'withdrawn':
      return `${id} was ${request.why.startsWith('withdrawn ') ? request.why : `withdrawn: ${request.why}`}`
    case 'voided':
      return `${id} was voided: ${request.why}`
    default:
      return request satisfies never
  }
}
