import type { Socket } from 'node:net'
import type { CatalogueWatch } from '../../app/ports/catalogue.ts'
import type { GatewayApp } from '../../app/ports/gateway.ts'
import type { OpenTarget, TargetControl } from '../../app/ports/target.ts'
import type { Classifier } from '../../classify/postgres/shape.ts'
import type { ResourceName, SessionId } from '../../domain/ids.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Backend } from '../../domain/session/session.ts'
import type { TargetState } from './target-state.ts'

/** What a session is made of, once client and target are both signed in. */
export interface SessionParts {
  readonly app: GatewayApp
  readonly classifier: Classifier
  readonly watch: CatalogueWatch | undefined
  readonly control: TargetControl
  readonly target: OpenTarget
  readonly session: SessionId
  readonly principal: Principal
  readonly resource: ResourceName
  readonly database: string
  readonly sourceAddress: string
  readonly backend: Backend
  /** A pooler stands in front of it, which gives the backend to others once it has the connection back. */
  readonly pooled: boolean
  /** No answer reaches the client before the statement record holds what it answers. */
  readonly recordFirst: boolean
  readonly client: Socket
  readonly upstream: Socket
  readonly state: TargetState
  /** Longest hold inside a transaction, in ms. */
  readonly holdInTransactionMs: number
  /** How often a client that waits for people hears something, in ms. */
  readonly keepAliveMs: number
  /** Ask the target to stop what runs. */
  readonly cancelTarget: () => Promise<void>
  readonly log: { warn(about: object, message: string): void; error(about: object, message: string): void }
}
