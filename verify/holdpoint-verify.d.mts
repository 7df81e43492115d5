/** Where the files of a log come from: the bytes at a path of the layout, or undefined. */
export interface LedgerSource {
  read(path: string): Promise<Uint8Array | undefined>
}

export interface VerifyOptions {
  /** Verifier keys of the log that are trusted. Without any, those that came with the log: then nothing proves whose it is. */
  readonly keys?: readonly string[]
  /** Verifier keys of witnesses: every one of them must have cosigned a checkpoint of this log. */
  readonly witnesses?: readonly string[]
  /** Checkpoints (signed notes) that were kept from before: the log must go on from each. */
  readonly known?: readonly string[]
  /** Milliseconds since 1970: grants that should have ended by then must have. The time of the newest leaf when left out. */
  readonly now?: number
  /** Milliseconds that the removal of a grant may take; 60,000 when left out. */
  readonly grace?: number
  /** Whether the hash tiles are compared, too; true when left out. The entries alone prove the root. */
  readonly tiles?: boolean
}

export interface VerifyReport {
  readonly origin: string
  readonly size: number
  /** Base64. */
  readonly root: string
  readonly signedBy: readonly string[]
  /** Of each witness the newest: `size` is how far it has seen the log, `at` when. */
  readonly cosignedBy: readonly { readonly witness: string; readonly at: number; readonly size: number }[]
  readonly keysGiven: boolean
  readonly asOf: number
  readonly checkpoints: number
  readonly tiles: number
  readonly bodies: number
  readonly erased: number
  readonly requests: number
  readonly approvals: number
  readonly executions: number
  readonly sessions: number
  readonly grants: { readonly ended: number; readonly live: number }
}

/** The first thing that is wrong, and where. */
export class Wrong extends Error {
  readonly what:
    | 'checkpoint'
    | 'signature'
    | 'cosignature'
    | 'missing'
    | 'leaf_hash'
    | 'leaf_form'
    | 'tile'
    | 'root'
    | 'consistency'
    | 'body'
    | 'history'
    | 'not_ended'
  /** Of the first leaf that is, or may be, wrong. */
  readonly index?: number
  readonly path?: string
  /** Of the checkpoint. */
  readonly size?: number
}

/** @throws Wrong for the first thing that is wrong; errors of the source; Error for a key that is none. */
export function verifyLedger(source: LedgerSource, options?: VerifyOptions): Promise<VerifyReport>
/** A folder in the layout of `hp ledger export`. */
export function folder(dir: string): LedgerSource
/** What was verified, in lines for people. */
export function describe(report: VerifyReport): string
