import { ApiProblem } from '../contract/client.ts'
import type { AccessRequest, Cli, Resource } from './cli.ts'

/** The profile of the resource that a request is about, unless this reader may not see it. */
export async function profileOf(cli: Cli, request: AccessRequest): Promise<Resource | undefined> {
  if (request.subject.kind === 'change') return undefined
  try {
    return await (await cli.api()).call('getResource', { params: { name: request.resource } })
  } catch (error) {
    if (error instanceof ApiProblem && (error.problem.status === 403 || error.problem.status === 404)) return undefined
    throw error
  }
}
