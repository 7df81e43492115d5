import type { App } from '../app.ts'
import { cutSession, listSessions, listStatements, replaySession } from '../sessions/list-sessions.ts'
import { acknowledge } from './afterwards.ts'
import { extendGrant, retryRequest } from './ask-again.ts'
import { delegate, endDelegation, listDelegations } from './delegations.ts'
import type { RequestDeps } from './deps.ts'
import { releaseGrant, revokeGrant, withdrawRequest } from './end-request.ts'
import { getRequest, inbox, listRequests } from './list-requests.ts'
import { requestWindow } from './request-window.ts'
import { reviewRequest } from './review-request.ts'

type RequestUseCases = Pick<
  App,
  | 'requestWindow'
  | 'listRequests'
  | 'getRequest'
  | 'inbox'
  | 'review'
  | 'acknowledge'
  | 'delegate'
  | 'endDelegation'
  | 'listDelegations'
  | 'withdrawRequest'
  | 'retryRequest'
  | 'extendGrant'
  | 'releaseGrant'
  | 'revokeGrant'
  | 'listSessions'
  | 'listStatements'
  | 'replaySession'
  | 'cutSession'
>

/** The part of the application that is about requests, grants and sessions. */
export const createRequestUseCases = (deps: RequestDeps): RequestUseCases => ({
  requestWindow: requestWindow(deps),
  listRequests: listRequests(deps),
  getRequest: getRequest(deps),
  inbox: inbox(deps),
  review: reviewRequest(deps),
  acknowledge: acknowledge(deps),
  delegate: delegate(deps),
  endDelegation: endDelegation(deps),
  listDelegations: listDelegations(deps),
  withdrawRequest: withdrawRequest(deps),
  retryRequest: retryRequest(deps),
  extendGrant: extendGrant(deps),
  releaseGrant: releaseGrant(deps),
  revokeGrant: revokeGrant(deps),
  listSessions: listSessions(deps),
  listStatements: listStatements(deps),
  replaySession: replaySession(deps),
  cutSession: cutSession(deps),
})
