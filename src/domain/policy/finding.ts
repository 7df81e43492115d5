/** An error or a lint about documents. Lines and columns count from 1. Never quotes a secret. */
export interface Finding {
  readonly severity: 'error' | 'warning'
  /** Stable, for scripts: `unknown_key`, `expression_type`, `quorum_too_large`, ... */
  readonly code: string
  readonly message: string
  readonly path?: string
  readonly line?: number
  readonly column?: number
}

export const hasErrors = (findings: readonly Finding[]): boolean =>
  findings.some((finding) => finding.severity === 'error')
